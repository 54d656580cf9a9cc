/** The table through a real TLS 1.3 handshake: what arrives at the other end is judged as what was sent. */

import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import t from 'tap'
import { verifyChain } from '../../src/identity/index.ts'
import { badCertificates } from '../fixtures/bad-certificates.ts'
import { identityOf } from '../fixtures/authority.ts'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Svid, VerifyResult } from '../../src/identity/index.ts'

const { trust, east, cases } = badCertificates()
const client = east.certificateFor(identityOf({ name: 'client' }))

/** What the peer has shown, leaf first. */
function shown (socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  for (let at = socket.getPeerX509Certificate(); at !== undefined && chain.length < 8; at = at.issuerCertificate) chain.push(at.raw)
  return chain
}

/** The server's chain as the client sees it, and the client's as the server sees it. */
async function shake (server: Svid, other: Svid): Promise<readonly [readonly Uint8Array[], readonly Uint8Array[]]> {
  const listener = createServer({ cert: server.certificatesPem, key: pem(server), ca: [], requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  // A TCP listener has an address of this form.
  const { port } = listener.address() as AddressInfo
  const accepted = once(listener, 'secureConnection')
  const socket = connect({ port, host: '127.0.0.1', cert: other.certificatesPem, key: pem(other), ca: [], rejectUnauthorized: false, minVersion: 'TLSv1.3' })
  try {
    const [[peer]] = await Promise.all([accepted, once(socket, 'secureConnect')])
    const seen = [shown(socket), shown(peer)] as const
    peer.destroy()
    return seen
  } finally {
    socket.destroy()
    listener.close()
  }
}

function codeOf (verdict: VerifyResult): string {
  return verdict.ok ? 'accepted' : verdict.code
}

function pem ({ privateKey }: Svid): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

t.test('good certificates are accepted both ways', async t => {
  for (const chain of await shake(east.certificateFor(identityOf(), { signer: east.intermediate('one') }), client)) {
    t.match(verifyChain(chain, trust, Date.now()), { ok: true })
  }
})

for (const { name, code, svid } of cases.filter(({ presentable }) => presentable)) {
  t.test(`shown by either end and refused as ${code}: ${name}`, async t => {
    const [ofServer] = await shake(svid, client)
    t.equal(codeOf(verifyChain(ofServer, trust, Date.now())), code, 'of a server')
    const [, ofClient] = await shake(client, svid)
    t.equal(codeOf(verifyChain(ofClient, trust, Date.now())), code, 'of a client')
  })
}

for (const { name, svid } of cases.filter(({ presentable }) => !presentable)) {
  t.test(`cannot be shown as it is: ${name}`, async t => {
    const arrived = await shake(svid, client).then(([chain]) => chain, () => [])
    t.notSame(arrived, svid.certificates)
  })
}
