/**
 * Peers that speak as agents do, and lie. Each is refused before a byte reaches the application, and the record says
 * why. What the impostor itself is told is checked where it is told anything.
 */

import { join } from 'node:path'
import { allowIngress, Forger, openShop } from '../fixtures/lab/index.ts'
import { oids } from '../../src/identity/oid.ts'
import { labTest } from './lab-test.ts'
import type { Act, Credential, Shop } from '../fixtures/lab/index.ts'
import type { Outcome } from '../../src/model/outcome.ts'

interface WrongPeer {
  readonly name: string
  readonly act: Act
  readonly outcome: Outcome
  readonly detail: RegExp
  /** The impostor is told the reason. */
  readonly told?: RegExp
}

const hourMs = 3_600_000
const labels = { app: 'front' }
const tls = (credential?: Credential, rest: object = {}): Act => ({ kind: 'tls', ...credential !== undefined && { credential }, ...rest })

async function wrongPeers (shop: Shop): Promise<WrongPeer[]> {
  const { lab } = shop
  const forger = new Forger(join(lab.folder, 'authority'))
  const stranger = new Forger(join(lab.folder, 'stranger'))
  const abroad = new Forger(join(lab.folder, 'abroad'), { trustDomain: 'abroad.example' })
  const genuine = await forger.issue(labels)
  const recorded = await shop.rogue.impostorDial(shop.webByNode, tls(genuine))
  const swapped = (oid: string, content?: Uint8Array): Credential => forger.forge(labels, all => all.flatMap(extension => {
    if (extension.oid !== oid) return [extension]
    return content === undefined ? [] : [{ ...extension, content }]
  }))
  return [
    { name: 'silence', act: { kind: 'silence' }, outcome: 'handshake-timeout', detail: /^/ },
    { name: 'garbage after the option', act: { kind: 'bytes', hex: '00'.repeat(64) }, outcome: 'handshake-failed', detail: /^ERR_SSL/ },
    { name: 'an HTTP request after the option', act: { kind: 'bytes', hex: Buffer.from('GET / HTTP/1.1\r\nhost: web\r\n\r\n').toString('hex') }, outcome: 'handshake-failed', detail: /^ERR_SSL_HTTP_REQUEST/ },
    { name: 'TLS 1.2', act: tls(genuine, { maxVersion: 'TLSv1.2' }), outcome: 'handshake-failed', detail: /^ERR_SSL_UNSUPPORTED_PROTOCOL/ },
    { name: 'another protocol (ALPN)', act: tls(genuine, { alpn: 'h2' }), outcome: 'handshake-failed', detail: /^/ },
    { name: 'no client certificate', act: tls(), outcome: 'peer-untrusted', detail: /^no-certificate$/, told: /no certificate/ },
    { name: 'an expired certificate', act: tls(await forger.issue(labels, Date.now() - 2 * hourMs)), outcome: 'peer-untrusted', detail: /^expired$/, told: /valid only until/ },
    { name: 'a certificate that is not yet valid', act: tls(await forger.issue(labels, Date.now() + 2 * hourMs)), outcome: 'peer-untrusted', detail: /^not-yet-valid$/, told: /valid only from/ },
    { name: 'another root for our trust domain', act: tls(await stranger.issue(labels)), outcome: 'peer-untrusted', detail: /^(untrusted-root|bad-signature)$/ },
    { name: 'another trust domain', act: tls(await abroad.issue(labels)), outcome: 'peer-untrusted', detail: /^(other-trust-domain|untrusted-root)$/ },
    { name: 'a right chain without attributes', act: tls(swapped(oids.workloadAttributes)), outcome: 'peer-untrusted', detail: /^no-attributes$/, told: /no workload attributes/ },
    { name: 'an oversized extension', act: tls(swapped(oids.workloadAttributes, Buffer.alloc(17 * 1024))), outcome: 'peer-untrusted', detail: /^(attributes-too-large|too-large)$/ },
    { name: 'an extension of garbage', act: tls(swapped(oids.workloadAttributes, Buffer.alloc(100, 0xff))), outcome: 'peer-untrusted', detail: /^bad-attributes$/ },
    { name: 'a greeting that was recorded on another connection', act: tls(genuine, { greetingHex: recorded.greeting }), outcome: 'protocol-error', detail: /another connection/ },
    { name: 'the largest length of a greeting', act: tls(genuine, { greetingHex: '01ffffff' }), outcome: 'protocol-error', detail: /control frame of 16777215 bytes/ },
    { name: 'a greeting length of 2^31', act: tls(genuine, { greetingHex: '80000000' }), outcome: 'protocol-error', detail: /unknown frame type/ },
    { name: 'application data before any greeting', act: tls(genuine, { greetingHex: '0300000568656c6c6f' }), outcome: 'protocol-error', detail: /where 1 is due|before the verdict/ },
  ]
}

labTest('wrong clients', async t => {
  await using shop = await openShop({ settings: { handshake: { timeout: '1s' } } })
  const { rogue, front, web, webByNode, eastAgent } = shop
  const server = await web.serve.answer(8080, 'web')
  for (const { name, act, outcome, detail, told } of await wrongPeers(shop)) {
    await t.test(name, async t => {
      const [after, reached] = [eastAgent.records.count, (await server.served()).length]
      const seen = await rogue.impostorDial(webByNode, act)
      const record = await eastAgent.records.one({ direction: 'inbound', outcome }, { after })
      t.match(record.detail, detail)
      t.match(record, { verdict: 'undecided', peer: 'handshake-refused', bytesSent: 0, bytesReceived: 0 })
      t.equal((await server.served()).length, reached, 'nothing reached the application')
      if (told !== undefined) t.match(seen.verdict, { accepted: false, reason: told }, 'the impostor is told why')
      else t.notOk(seen.verdict?.accepted)
    })
  }
  t.same(await front.burst(webByNode, { count: 3, expect: 'web' }), { ok: 3 }, 'and the right one is still served')
  t.match(await (await eastAgent.get('/readyz')).text(), /ready/)
})

labTest('a stolen certificate works until it ends, for the pod it names and no other', async t => {
  await using shop = await openShop()
  const { rogue, web, webByNode, lab } = shop
  await web.serve.answer(8080, 'web')
  const forger = new Forger(join(lab.folder, 'authority'))
  t.match((await rogue.impostorDial(webByNode, tls(await forger.issue({ app: 'front' })))).verdict, { accepted: true }, 'the impostor is able to be right')
  t.match((await rogue.impostorDial(webByNode, tls(await forger.issue({ app: 'batch' })))).verdict, { accepted: false })
})

labTest('wrong servers', async t => {
  await using shop = await openShop({ policies: { in: allowIngress('web', { of: { app: 'web' }, with: labels }) }, settings: { handshake: { timeout: '1s' } } })
  const { front, plain, east, westAgent, lab } = shop
  const forger = new Forger(join(lab.folder, 'authority'))
  const servers: WrongPeer[] = [
    { name: 'silence', act: { kind: 'silence' }, outcome: 'handshake-timeout', detail: /^/ },
    { name: 'garbage', act: { kind: 'bytes', hex: '00'.repeat(64) }, outcome: 'handshake-failed', detail: /^ERR_SSL/ },
    { name: 'TLS 1.2', act: tls(await forger.issue(labels), { maxVersion: 'TLSv1.2' }), outcome: 'handshake-failed', detail: /^ERR_SSL/ },
    { name: 'an expired certificate', act: tls(await forger.issue(labels, Date.now() - 2 * hourMs)), outcome: 'peer-untrusted', detail: /^expired$/ },
    { name: 'another root', act: tls(await new Forger(join(lab.folder, 'stranger')).issue(labels)), outcome: 'peer-untrusted', detail: /^(untrusted-root|bad-signature)$/ },
    { name: 'an endless greeting', act: tls(await forger.issue(labels), { greetingHex: '01ffffff' }), outcome: 'protocol-error', detail: /control frame/ },
  ]
  for (const [i, { name, act, outcome, detail }] of servers.entries()) {
    await t.test(name, async t => {
      await plain.impostorListen(9100 + i, act)
      const address = await east.hostPort(30100 + i, plain, 9100 + i)
      const after = westAgent.records.count
      t.notOk((await front.burst(address, { count: 1 }))['ok'])
      t.match((await westAgent.records.one({ direction: 'outbound', outcome }, { after })).detail, detail)
    })
  }
})
