import { createServer } from 'node:https'
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { Federation, fetchBundle } from '../../src/issuer/index.ts'
import { formatBundle } from '../../src/issuer/bundle.ts'
import { encodeName, signCertificate } from '../../src/identity/build.ts'
import { identityOf, TestAuthority } from '../fixtures/authority.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Bundle } from '../../src/issuer/bundle.ts'
import type { Relationship } from '../../src/issuer/index.ts'

const west = new TestAuthority({ trustDomain: 'west.example' })
const later = new TestAuthority({ trustDomain: 'west.example' })
const endpointId = 'spiffe://west.example/ns/liburna/sa/liburna-issuer'
const relationship: Relationship = { trustDomain: 'west.example', url: 'https://west.example:8444/bundle.json', profile: 'https_spiffe', endpointId, file: 'west.pem', caFile: '' }
const bundleOf = (sequence: number | undefined, authority = west, refreshHintMs: number | undefined = 60_000): Bundle => ({ roots: [authority.root], sequence, refreshHintMs, skipped: [] })

/** Lets promises that wait for nothing but each other end. */
async function settle (): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(resolve => { setImmediate(resolve) })
}

function world (relationships: readonly Relationship[] = [relationship]) {
  const clock = new FakeClock()
  const log = memoryLog()
  const asked: { readonly trusted: number, readonly atMs: number }[] = []
  const tried: boolean[] = []
  const it = { clock, log, asked, tried, changes: 0, answer: (): Promise<Bundle> => Promise.resolve(bundleOf(1)), file: west.root.pem }
  const federation = new Federation(relationships, {
    fetch: async (_, trusted) => { asked.push({ trusted: trusted?.sequence ?? -1, atMs: clock.monotonic() }); return it.answer() },
    readFile: () => it.file,
    clock, log, tried: (_, ok) => { tried.push(ok) }, changed: () => { it.changes++ },
  })
  return Object.assign(it, { federation })
}

t.test('begins with the file, then asks as often as the other side wants', async t => {
  const it = world()
  it.federation.start()
  await settle()
  t.same(it.federation.current().get('west.example')?.sequence, 1)
  t.equal(it.changes, 1, 'the same roots are no change')
  it.clock.advance(59_999)
  await settle()
  t.equal(it.asked.length, 1)
  it.clock.advance(1)
  await settle()
  t.same(it.asked, [{ trusted: -1, atMs: 0 }, { trusted: 1, atMs: 60_000 }], 'the latest bundle is what the next answer is verified with')
  it.federation.stop()
  it.clock.advance(600_000)
  await settle()
  t.equal(it.asked.length, 2)
})

t.test('what it is asked for is bounded', async t => {
  for (const [hintMs, waitMs] of [[0, 30_000], [undefined, 300_000], [10 * 86_400_000, 86_400_000]] as const) {
    const it = world()
    it.answer = () => Promise.resolve({ roots: [west.root], sequence: 1, refreshHintMs: hintMs, skipped: [] })
    it.federation.start()
    await settle()
    it.clock.advance(waitMs - 1)
    await settle()
    t.equal(it.asked.length, 1)
    it.clock.advance(1)
    await settle()
    t.equal(it.asked.length, 2)
    it.federation.stop()
  }
})

t.test('while the endpoint is away the last bundle stays, and it is asked again in time', async t => {
  const it = world()
  it.federation.start()
  await settle()
  it.answer = () => Promise.reject(new Error('connection refused'))
  it.clock.advance(60_000)
  await settle()
  t.same(it.tried, [true, false])
  t.equal(it.federation.current().get('west.example')?.roots.length, 1)
  t.match(it.log.lines.at(-1), { level: 'warn', fields: { trustDomain: 'west.example' } })
  it.answer = () => Promise.resolve(bundleOf(2, later))
  it.clock.advance(60_000)
  await settle()
  t.equal(it.federation.current().get('west.example')?.roots[0]?.pem, later.root.pem)
  t.equal(it.changes, 2)
  it.federation.stop()
})

t.test('an older bundle never replaces a newer one', async t => {
  const it = world()
  it.answer = () => Promise.resolve(bundleOf(5, later))
  it.federation.start()
  await settle()
  it.answer = () => Promise.resolve(bundleOf(4))
  it.clock.advance(60_000)
  await settle()
  t.equal(it.federation.current().get('west.example')?.sequence, 5)
  it.federation.learn(new Map([['west.example', bundleOf(3)], ['other.example', bundleOf(9)]]))
  t.equal(it.federation.current().get('west.example')?.sequence, 5)
  t.notOk(it.federation.current().has('other.example'), 'nobody asked for that one')
  it.federation.learn(new Map([['west.example', bundleOf(6)]]))
  t.equal(it.federation.current().get('west.example')?.sequence, 6)
  it.federation.stop()
})

t.test('a file alone is followed', async t => {
  const it = world([{ ...relationship, url: undefined, endpointId: '' }])
  it.federation.start()
  await settle()
  it.file = later.root.pem
  it.clock.advance(300_000)
  await settle()
  t.equal(it.federation.current().get('west.example')?.roots[0]?.pem, later.root.pem)
  it.file = 'nonsense'
  it.clock.advance(300_000)
  await settle()
  t.equal(it.federation.current().get('west.example')?.roots[0]?.pem, later.root.pem)
  t.equal(it.asked.length, 0)
  it.federation.stop()
})

async function endpoint (t: Test, authority: TestAuthority, identity = identityOf({ namespace: 'liburna' }, { trustDomain: 'west.example', serviceAccount: 'liburna-issuer' }), answer = formatBundle(bundleOf(1)), status = 200): Promise<string> {
  const svid = authority.certificateFor(identity)
  return serve(t, svid.certificatesPem, svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), answer, status)
}

async function serve (t: Test, cert: string, key: string, answer: string, status: number): Promise<string> {
  const server = createServer({ cert, key }, (_, response) => { response.writeHead(status, { location: 'https://elsewhere.example/' }).end(answer) })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  return `https://localhost:${(server.address() as AddressInfo).port}/bundle.json?x=1` // it listens on TCP
}

const within = (): AbortSignal => AbortSignal.timeout(10_000)
const noFile = (): string => { throw new Error('no file is read') }

t.test('an endpoint is believed by its SPIFFE ID and the roots of its trust domain', async t => {
  const url = await endpoint(t, west)
  t.match(await fetchBundle({ ...relationship, url }, bundleOf(undefined), within(), noFile), { sequence: 1 })
  await t.rejects(fetchBundle({ ...relationship, url }, bundleOf(undefined, later), within(), noFile), /certificate|issuer/, 'another root')
  await t.rejects(fetchBundle({ ...relationship, url }, undefined, within(), noFile), { code: 'bad-bundle', message: /nothing|no bundle/ })
  await t.rejects(fetchBundle({ ...relationship, url, endpointId: 'spiffe://east.example/ns/liburna/sa/liburna-issuer' }, bundleOf(undefined), within(), noFile), { code: 'bad-bundle' })
  const workload = await endpoint(t, west, identityOf({}, { trustDomain: 'west.example' }))
  await t.rejects(fetchBundle({ ...relationship, url: workload }, bundleOf(undefined), within(), noFile), { code: 'issuer-untrusted' }, 'a workload of that trust domain')
})

t.test('an answer that is none: a redirect, an error, too much, another trust domain', async t => {
  const east = new TestAuthority()
  for (const [what, answer, status, problem] of [
    ['a redirect', '', 302, /status 302/],
    ['an error', '{}', 500, /status 500/],
    ['nothing', '', 200, /not a JWK Set/],
    ['too much', ' '.repeat(2 * 1024 * 1024), 200, /./],
    ['roots of another trust domain', formatBundle({ roots: [east.root], sequence: 1, refreshHintMs: 1000 }), 200, /no root of west\.example/],
  ] as const) {
    const url = await endpoint(t, west, undefined, answer, status)
    await t.rejects(fetchBundle({ ...relationship, url }, bundleOf(undefined), within(), noFile), { message: problem }, what)
  }
})

t.test('by the web\'s way: host name and authorities, ours in a file or those of the web', async t => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = encodeName('test', 'localhost')
  // subjectAltName (2.5.29.17): SEQUENCE of dNSName [2] "localhost".
  const altName = Buffer.from([0x30, 0x0b, 0x82, 0x09, ...Buffer.from('localhost')])
  const der = signCertificate({ issuer: name, subject: name, notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000, publicKey: keys.publicKey, extensions: [{ oid: '2.5.29.17', critical: false, content: altName }] }, keys.privateKey)
  const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
  const url = await serve(t, cert, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), formatBundle(bundleOf(3)), 200)
  const web: Relationship = { ...relationship, url, profile: 'https_web', endpointId: '', caFile: 'ca.pem' }
  t.match(await fetchBundle(web, undefined, within(), () => cert), { sequence: 3 })
  await t.rejects(fetchBundle({ ...web, caFile: '' }, undefined, within(), noFile), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  await t.rejects(fetchBundle({ ...web, url: url.replace('localhost', '127.0.0.1') }, undefined, within(), () => cert), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})
