/** A relay thread's server greets with its first flight: a round trip before the client could have heard it otherwise. */

import { connect } from 'node:net'
import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { openBetween } from '../fixtures/between.ts'
import { dial, listen, patience, roadParts, sayYes } from '../fixtures/road.ts'
import { openTransport } from '../fixtures/transports.ts'
import type { HandshakeParts, Session } from '../../src/handshake/index.ts'
import type { Transport } from '../../src/relay/index.ts'
import type { Between } from '../fixtures/between.ts'

/** Somebody on the path who lets all ClientHellos through, and nothing of a client after them. */
async function openGate (port: number): Promise<Between & { open (): void }> {
  const opened = Promise.withResolvers<void>()
  const between = await openBetween(port, async (bytes, from, to) => {
    if (from === 'client' && !isHello(bytes)) await opened.promise
    to.write(bytes)
  })
  return { ...between, open: opened.resolve }
}

/** RFC 8446, 4 and 5.1: a handshake record, and in it a ClientHello; after a HelloRetryRequest perhaps behind a change_cipher_spec. */
function isHello (bytes: Buffer): boolean {
  const record = bytes[0] === 20 ? bytes.subarray(6) : bytes
  return record[0] === 22 && record[5] === 1
}

/** The client's session through a gate that is shut, and the server's, once it is open. */
async function meet (near: Transport, far: Transport, parts: HandshakeParts, use: (client: Session, server: () => Promise<Session>, reached: number) => Promise<void>): Promise<void> {
  const [clients, servers] = [Promise.withResolvers<Session>(), Promise.withResolvers<Session>()]
  const inbound = await listen(far, async connection => { servers.resolve(await far.secureInbound(connection, roadParts.server, patience())) }, servers.reject)
  await using gate = await openGate(inbound.port)
  const outbound = await listen(near, async connection => {
    clients.resolve(await near.secureOutbound(await dial(near, gate.port, connection), parts, patience()))
    connection.reset()
  }, clients.reject)
  const application = connect(outbound.port, '127.0.0.1').on('error', () => {})
  using session = await clients.promise
  await use(session, () => { gate.open(); return servers.promise }, inbound.port)
  using _server = await servers.promise
  application.destroy()
  await Promise.all([inbound.listening.close(), outbound.listening.close()])
}

for (const kind of ['native', 'streams'] as const) {
  t.test(`the client of ${kind} hears where it has arrived before the server has heard its certificate`, async t => {
    const [near, far] = [openTransport(t, kind), openTransport(t, 'native')]
    await meet(near, far, roadParts.client, async (client, server, reached) => {
      t.same(await client.greeted(), socketAddress('127.0.0.1', reached))
      client.greet(socketAddress('192.0.2.1', 80))
      sayYes(client)

      const proven = await server()
      t.same(await proven.greeted(), socketAddress('192.0.2.1', 80))
      t.match(await proven.told(), { accepted: true })
      t.equal(proven.flowId, client.flowId)
    })
    for (const transport of [near, far]) await transport.close()
  })
}

t.test('a client that has to say hello again hears it when the handshake is over', async t => {
  const [near, far] = [openTransport(t, 'native'), openTransport(t, 'native')]
  await meet(near, far, { ...roadParts.client, groups: 'P-256:X25519' }, async (client, server, reached) => {
    client.greet(socketAddress('192.0.2.1', 80)) // it is done by now, and the server is not
    const proven = await server()
    t.same(await client.greeted(), socketAddress('127.0.0.1', reached))
    t.same(await proven.greeted(), socketAddress('192.0.2.1', 80))
  })
  for (const transport of [near, far]) await transport.close()
})
