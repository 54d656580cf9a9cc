import t from 'tap'
import { connections } from '../conformance/connection.ts'
import { openTransport } from '../fixtures/transports.ts'
import { openWorld } from '../fixtures/world.ts'

for (const [client, server] of [['streams', 'streams'], ['native', 'native'], ['native', 'streams'], ['streams', 'native']] as const) {
  t.test(`${client} to ${server}`, t => {
    connections(t, options => openWorld({ ...options, transports: { client: openTransport(t, client), server: openTransport(t, server) } }))
    t.end()
  })
}
