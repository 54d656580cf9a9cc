import { once } from 'node:events'
import t from 'tap'
import { connectTls } from '../../src/handshake/tls.ts'
import { ByteReader } from '../../src/lib/bytes.ts'
import { TestAuthority, identityOf } from '../fixtures/authority.ts'
import { socketPair } from '../fixtures/sockets.ts'
import type { Socket } from 'node:net'

const svid = new TestAuthority().certificateFor(identityOf())
const compressCertificate = 27 // RFC 8879
const supportedGroups = 10 // RFC 8446, 4.2.7
const supportedVersions = 43 // RFC 8446, 4.2.1

/** The extensions of the ClientHello (RFC 8446, 4.1.2) that `start` makes a TLS client send. */
async function helloOf (start: (socket: Socket) => void): Promise<Map<number, Uint8Array>> {
  using pair = await socketPair()
  start(pair.client)
  const received: Buffer[] = []
  pair.server.on('data', (chunk: Buffer) => { received.push(chunk) })
  pair.server.resume()
  while (received.length === 0 || Buffer.concat(received).length < 5 + Buffer.concat(received).readUInt16BE(3)) await once(pair.server, 'data')
  const record = new ByteReader(Buffer.concat(received))
  record.take(5 + 4 + 2 + 32) // record and handshake headers, legacy version, random
  record.take(record.uint8())
  record.take(record.uint16())
  record.take(record.uint8())
  const extensions = new ByteReader(record.take(record.uint16()))
  const found = new Map<number, Uint8Array>()
  while (extensions.left > 0) found.set(extensions.uint16(), extensions.take(extensions.uint16()))
  return found
}

const offered = (groups: string): Promise<Map<number, Uint8Array>> => helloOf(socket => {
  connectTls(socket, svid, { groups }, new AbortController().signal).catch(() => {})
})

t.test('certificates are not compressed: it would cost more than the rest of the handshake', async t => {
  // Whether Node by itself offers it has changed from version to version.
  t.notOk((await offered('X25519')).has(compressCertificate))
})

t.test('TLS 1.3 is all that is offered', async t => {
  t.same([...(await offered('X25519')).get(supportedVersions) ?? []], [2, 3, 4])
})

t.test('key exchange is what the setting says, the post-quantum hybrid first by default', async t => {
  t.same([...(await offered('X25519')).get(supportedGroups) ?? []], [0, 2, 0, 29])
  t.same([...(await offered('X25519MLKEM768:X25519')).get(supportedGroups) ?? []], [0, 4, 0x11, 0xec, 0, 29])
})
