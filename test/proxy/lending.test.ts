/** What follows on a session that was lent to a relay thread: served without asking, and never on what is not so any more. */

import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { TrustBundles } from '../../src/identity/index.ts'
import { socketAddress } from '../../src/model/address.ts'
import { Revocation } from '../../src/relay/index.ts'
import { openListener } from '../../src/sys/index.ts'
import { echoing, resting, settled, sources, visit } from '../conformance/reuse.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { endingOf } from '../fixtures/sockets.ts'
import { openTransport } from '../fixtures/transports.ts'
import { allowFrom, allowTo, openWorld } from '../fixtures/world.ts'
import type { Test } from 'tap'
import type { World, WorldOptions } from '../fixtures/world.ts'

t.setTimeout(240_000)

/** Both ends have relay threads and lend; the server sends back what it gets. */
async function lending (t: Test, options: WorldOptions = {}): Promise<World> {
  return await echoing(all => openWorld({ lends: true, transports: { client: openTransport(t, 'native'), server: openTransport(t, 'native') }, ...all }), options)
}

/** A connection that a thread has begun, and of which the main thread of that end has heard; with how it ends. */
async function begun (world: World, whose: 'client' | 'server'): Promise<{ readonly ending: Promise<string> }> {
  await visit(world)
  const socket = world.dial()
  socket.write('x')
  await once(socket, 'data')
  await eventually(() => world[whose].node.registry.size === 1)
  return { ending: endingOf(socket) }
}

t.test('of the connections on a session the main thread is asked about the first one', async t => {
  await using world = await lending(t)
  for (let i = 0; i < 10; i++) t.equal((await visit(world)).heard, 'hello')
  t.equal(world.client.asked(), 1)
  t.same(await sources(world), { fresh: 1, reused: 9, stale: 0 })
})

t.test('each has its record, with the time that it took and the bytes that it moved', async t => {
  await using world = await lending(t)
  for (let i = 1; i <= 3; i++) {
    const { out, into } = await visit(world, 'x'.repeat(i))
    t.match([out, into], [{ outcome: 'completed', bytesSent: i, bytesReceived: i }, { outcome: 'completed', bytesSent: i, bytesReceived: i }])
    t.ok(out.establishMs <= out.durationMs && out.durationMs < 5000, `${out.establishMs} of ${out.durationMs} ms`)
  }
})

for (const whose of ['client', 'server'] as const) {
  t.test(`a change of policy at the ${whose} holds for the next connection, and the one after is lent again`, async t => {
    await using world = await lending(t)
    for (let i = 0; i < 3; i++) await visit(world)
    t.equal(world.client.asked(), 1)
    const open = whose === 'client' ? allowTo({ app: 'client' }, { app: 'web' }) : allowFrom({ app: 'web' }, { app: 'client' })
    world[whose].enforce(open)
    const { out, into } = await visit(world)
    t.match(whose === 'client' ? out : into, { decidedBy: /^NetworkPolicy shop\/allow/ })
    t.equal(world.client.asked(), whose === 'client' ? 2 : 1)
    const asked = world.client.asked()
    for (let i = 0; i < 3; i++) t.match((await visit(world))[whose === 'client' ? 'out' : 'into'], { decidedBy: /^NetworkPolicy shop\/allow/ })
    t.equal(world.client.asked(), asked)
    t.same(await sources(world), { fresh: 1, reused: 6, stale: 0 })
  })

  t.test(`a change of policy at the ${whose} ends what a thread has begun`, async t => {
    await using world = await lending(t)
    const { ending } = await begun(world, whose)
    world[whose].enforce(whose === 'client' ? allowTo({ app: 'client' }, { app: 'nobody' }) : allowFrom({ app: 'web' }, { app: 'nobody' }))
    t.equal(await ending, 'ECONNRESET')
    t.match(await eventually(() => world[whose].records()[1]), { outcome: 'policy-changed', verdict: 'denied' })
    t.equal(await settled(world), 0)
  })

  t.test(`when the ${whose}'s pod goes away what a thread has begun ends with it`, async t => {
    await using world = await lending(t)
    const { ending } = await begun(world, whose)
    world[whose].close.abort(new Revocation('workload-gone', 'gone'))
    t.equal(await ending, 'ECONNRESET')
    t.match(await eventually(() => world[whose].records()[1]), { outcome: 'workload-gone' })
  })
}

t.test('what was decided for a time is not gone on with after it', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await lending(t, { clock })
  const until = new Date(Date.now() + 1500).toISOString()
  world.client.enforce({
    apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'shift' },
    spec: { subject: { podSelector: { matchLabels: { app: 'client' } } }, active: { until }, egress: [{}] },
  })
  t.equal(world.client.policies.nextChangeMs(clock.now()), Date.parse(until))
  await visit(world)
  await visit(world)
  t.equal(world.client.asked(), 1)
  // The thread goes by the machine's clock, and the main thread, whose clock stands, would still say yes.
  await eventually(() => Date.now() > Date.parse(until))
  await visit(world)
  t.equal(world.client.asked(), 2)
})

/** Does `change` when a thread has begun a connection, before the main thread of the client's agent hears of it. */
function meanwhile (world: World, change: () => void): void {
  const { lender } = world.client.node
  if (lender === undefined) throw new Error('nothing is lent')
  const lend = lender.lend.bind(lender)
  lender.lend = (session, terms, borrower) => lend(session, terms, {
    ...borrower,
    began (repeat) {
      change()
      return borrower.began(repeat)
    },
  })
}

t.test('what changes between the beginning of a connection and the word of it', async t => {
  t.test('policy', async t => {
    await using world = await lending(t)
    meanwhile(world, () => { world.client.enforce(allowTo({ app: 'client' }, { app: 'nobody' })) })
    await visit(world)
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'policy-changed', verdict: 'denied' })
  })

  t.test('trust', async t => {
    await using world = await lending(t)
    meanwhile(world, () => {
      world.client.trust.replace(new TrustBundles([]))
      world.client.node.registry.reprove()
    })
    await visit(world)
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'policy-changed', detail: /no longer trusted/ })
  })

  t.test('labels, which the other end judges by', async t => {
    await using world = await lending(t)
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
    let renewed = Promise.resolve<unknown>(undefined)
    meanwhile(world, () => {
      world.client.relabel({ app: 'other' })
      renewed = world.client.svids.ready(AbortSignal.timeout(10_000)).then(() => { world.client.node.registry.renew(world.client.pod) })
    })
    await visit(world)
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    await renewed
    t.match(await eventually(() => world.server.records()[1]), { outcome: 'policy-changed', verdict: 'denied' })
  })

  t.test('the pod goes away', async t => {
    await using world = await lending(t)
    meanwhile(world, () => { world.client.close.abort(new Revocation('workload-gone', 'gone')) })
    await visit(world)
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'workload-gone' })
  })
})

t.test('a session that rests for too long ends, without a timer of the main thread', async t => {
  await using world = await lending(t, { clock: new FakeClock(Date.now()), reuse: { idleMs: 300 } })
  await visit(world)
  t.same(resting(world), [1, 1])
  await eventually(() => resting(world).every(count => count === 0))
  await visit(world)
  t.same(await sources(world), { fresh: 2, reused: 0, stale: 0 })
})

t.test('a session that grows too old ends when the next connection comes', async t => {
  await using world = await lending(t, { reuse: { rewrittenAgeMs: 1000 } })
  await visit(world)
  const began = Date.now()
  await eventually(() => Date.now() - began > 1000)
  await visit(world)
  t.same(await sources(world), { fresh: 2, reused: 0, stale: 0 })
})

t.test('a server that does not go on with a session costs a fresh one, and no byte', async t => {
  await using world = await echoing(all => openWorld({ ...all, lends: true, transports: { client: openTransport(t, 'native'), server: openTransport(t, 'streams') } }))
  await visit(world)
  world.server.trust.replace(new TrustBundles([...world.server.trust.bundles().roots]))
  const { heard, out, into } = await visit(world)
  t.equal(heard, 'hello')
  t.match([out, into], [{ outcome: 'completed' }, { outcome: 'completed' }])
  t.same(await sources(world), { fresh: 2, reused: 0, stale: 1 })
})

/** In place of the application somebody listens who never accepts, and whose queue is full: the kernel drops further SYNs. */
async function hung (world: World): Promise<DisposableStack> {
  const { port } = world.server.application
  await world.stopServing()
  const ends = new DisposableStack()
  ends.use(openListener({ address: socketAddress('127.0.0.1', port), backlog: 0 }))
  const waiting = connect(port, '127.0.0.1').on('error', () => {})
  ends.defer(() => { waiting.destroy() })
  await once(waiting, 'connect')
  return ends
}

t.test('while an application is dialled the connection can be ended', async t => {
  await using world = await lending(t)
  await visit(world)
  using _hung = await hung(world)
  const socket = world.dial()
  const ending = endingOf(socket)
  socket.write('x')
  await eventually(() => world.server.node.registry.size === 1)
  world.server.enforce(allowFrom({ app: 'web' }, { app: 'nobody' }))
  t.equal(await ending, 'ECONNRESET')
  t.match(await eventually(() => world.server.records()[1]), { outcome: 'policy-changed', bytesSent: 0 })
  t.match(await eventually(() => world.client.records()[1]), { outcome: 'closed-by-peer', detail: /^policy-changed/ })
  t.equal(await settled(world), 0)
  t.same(await sources(world), { fresh: 1, reused: 1, stale: 0 })
})

t.test('an application that does not answer in time is told apart', async t => {
  await using world = await lending(t)
  await visit(world)
  using _hung = await hung(world)
  const socket = world.dial()
  const ending = endingOf(socket)
  socket.write('x')
  t.equal(await ending, 'ECONNRESET')
  t.match(await eventually(() => world.server.records()[1]), { outcome: 'upstream-timeout', verdict: 'allowed' })
  t.match(await eventually(() => world.client.records()[1]), { outcome: 'upstream-timeout' })
  t.equal(await settled(world), 0)
})
