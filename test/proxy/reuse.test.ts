import t from 'tap'
import { reuse } from '../conformance/reuse.ts'
import { openTransport } from '../fixtures/transports.ts'
import { openWorld } from '../fixtures/world.ts'

t.setTimeout(900_000)

for (const [client, server] of [['streams', 'streams'], ['native', 'native'], ['native', 'streams'], ['streams', 'native']] as const) {
  t.test(`${client} to ${server}`, t => {
    reuse(t, options => openWorld({ ...options, transports: { client: openTransport(t, client), server: openTransport(t, server) } }))
    t.end()
  })
}

for (const [client, server] of [['native', 'native'], ['native', 'streams'], ['streams', 'native']] as const) {
  t.test(`${client} to ${server}, what rests being lent to the relay threads`, t => {
    reuse(t, options => openWorld({ ...options, lends: true, transports: { client: openTransport(t, client), server: openTransport(t, server) } }), { lends: true })
    t.end()
  })
}
