/** Handshakes that rest on an earlier one: no certificate is proven again, and nothing else is different. */

import t from 'tap'
import { TrustBundles } from '../../src/identity/index.ts'
import { echoing, settled, visit } from '../conformance/reuse.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { sessionCount } from '../fixtures/sessions.ts'
import { endingOf } from '../fixtures/sockets.ts'
import { openTransport } from '../fixtures/transports.ts'
import { allowFrom, allowTo, openWorld } from '../fixtures/world.ts'
import type { Test } from 'tap'
import type { FakeAgent, World, WorldOptions } from '../fixtures/world.ts'

t.setTimeout(240_000)

type Kind = 'native' | 'streams'

/** Every connection shakes hands; the server sends back what it gets. */
async function shaking (t: Test, options: WorldOptions = {}, [client, server]: readonly [Kind, Kind] = ['native', 'native']): Promise<World> {
  return await echoing(all => openWorld({ reuse: { uses: 0 }, transports: { client: openTransport(t, client), server: openTransport(t, server) }, ...all }), options)
}

/** How many handshakes were full, and how many rested on an earlier one; both ends agree. */
async function handshakes (t: Test, world: World): Promise<string> {
  const [client, server] = await Promise.all([counted(world.client, 'outbound'), counted(world.server, 'inbound')])
  t.equal(client, server)
  return client
}

async function counted ({ metrics }: FakeAgent, direction: string): Promise<string> {
  const { text } = await metrics.text()
  const [fresh, resumed] = (['fresh', 'resumed'] as const).map(source => sessionCount(text, direction, source))
  return `${fresh} full, ${resumed} resumed`
}

async function refused (world: World): Promise<void> {
  const socket = world.dial()
  socket.write('secret')
  await endingOf(socket)
  await settled(world)
}

for (const mode of ['encrypt', 'authenticate'] as const) {
  t.test(`after the first handshake none is full, and each connection has its own record with who is at the other end: ${mode}`, async t => {
    await using world = await shaking(t, { modes: { client: mode, server: mode } })
    const visits = []
    for (let i = 1; i <= 4; i++) visits.push(await visit(world, 'x'.repeat(i)))
    t.equal(await handshakes(t, world), '1 full, 3 resumed')
    const [first] = visits
    for (const [i, { heard, out, into }] of visits.entries()) {
      t.equal(heard.length, i + 1)
      t.match([out, into], [{ outcome: 'completed', mode, bytesSent: i + 1 }, { outcome: 'completed', mode, bytesSent: i + 1 }])
      for (const [now, then] of [[out.destination, first?.out.destination], [into.source, first?.into.source]]) t.same({ ...now, address: '' }, { ...then, address: '' })
    }
    t.equal(new Set(visits.map(({ out }) => out.flow)).size, 4, 'each has a name of its own')
  })
}

t.test('a handshake in one thread may rest on one in another', async t => {
  const transports = { client: openTransport(t, 'native', 3), server: openTransport(t, 'native', 3) }
  await using world = await echoing(all => openWorld({ reuse: { uses: 0 }, transports, ...all }), {})
  await visit(world)
  await Promise.all(Array.from({ length: 30 }, async () => {
    const socket = world.dial()
    socket.end('x')
    await endingOf(socket)
  }))
  await eventually(() => world.server.records().length === 31)
  t.equal(await handshakes(t, world), '1 full, 30 resumed')
})

for (const kinds of [['native', 'streams'], ['streams', 'native']] as const) {
  t.test(`an agent that does not know of it proves certificates each time: ${kinds.join(' to ')}`, async t => {
    await using world = await shaking(t, {}, kinds)
    for (let i = 0; i < 3; i++) t.equal((await visit(world)).heard, 'hello')
    t.equal(await handshakes(t, world), '3 full, 0 resumed')
  })
}

t.test('policy is judged each time, at both ends, on what the first handshake has proven', async t => {
  await using world = await shaking(t)
  await visit(world)
  world.server.enforce(allowFrom({ app: 'web' }, { app: 'nobody' }))
  await refused(world)
  t.match(await eventually(() => world.server.records()[1]), { outcome: 'denied-by-policy', source: { name: 'client' } })
  world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
  t.match((await visit(world)).into, { decidedBy: /^NetworkPolicy shop\/allow/ })
  world.client.enforce(allowTo({ app: 'client' }, { app: 'nobody' }))
  await refused(world)
  t.match(await eventually(() => world.client.records()[3]), { outcome: 'denied-by-policy', destination: { name: 'web' } })
  t.equal(await handshakes(t, world), '1 full, 3 resumed')
})

for (const whose of ['client', 'server'] as const) {
  t.test(`new labels of the ${whose}'s pod are proven by a full handshake`, async t => {
    await using world = await shaking(t)
    await visit(world)
    world[whose].relabel({ app: 'other' })
    const { out, into } = await visit(world)
    t.match(whose === 'client' ? into.source : out.destination, { labels: { app: 'other' } })
    t.equal(await handshakes(t, world), '2 full, 0 resumed')
    await visit(world)
    t.equal(await handshakes(t, world), '2 full, 1 resumed')
  })

  t.test(`when the ${whose} trusts nobody any more the key of the two proves nothing`, async t => {
    await using world = await shaking(t)
    await visit(world)
    world[whose].trust.replace(new TrustBundles([]))
    await refused(world)
    t.match(await eventually(() => world[whose].records()[1]), { outcome: 'peer-untrusted' })
    world[whose].trust.replace(new TrustBundles([world.authority.root]))
    await visit(world)
    t.equal(await counted(world[whose], whose === 'client' ? 'outbound' : 'inbound'), '2 full, 0 resumed')
  })

  t.test(`nothing is resumed where the ${whose} does not want it`, async t => {
    await using world = await shaking(t, { resumeForMs: { client: 600_000, server: 600_000, [whose]: 0 } })
    for (let i = 0; i < 3; i++) await visit(world)
    t.equal(await handshakes(t, world), '3 full, 0 resumed')
  })

  t.test(`what the ${whose} has is worth something for its time only`, async t => {
    await using world = await shaking(t, { resumeForMs: { client: 600_000, server: 600_000, [whose]: 1 } })
    const until = performance.now() + 2
    await visit(world)
    await eventually(() => performance.now() > until)
    await visit(world)
    t.equal(await handshakes(t, world), '2 full, 0 resumed')
  })
}

t.test('a certificate that was renewed is proven by a full handshake', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await shaking(t, { clock, resumeForMs: { client: Infinity, server: Infinity } })
  await visit(world)
  await visit(world)
  // Each in its turn, and the clock goes no further: a try has a timeout of its own.
  const due = ({ svids }: FakeAgent): number => svids.state().nextTryMs ?? Infinity
  for (const agent of [world.client, world.server].sort((a, b) => due(a) - due(b))) {
    const before = agent.svids.current()
    clock.advance(due(agent) - clock.now())
    await eventually(() => agent.svids.current() !== before)
  }
  await visit(world)
  t.equal(await handshakes(t, world), '2 full, 1 resumed')
})
