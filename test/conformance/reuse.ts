/** What one connection after another in one session is, through two agents, whatever moves the bytes. */

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { TrustBundles } from '../../src/identity/index.ts'
import { parseSocketAddress } from '../../src/model/address.ts'
import { Revocation } from '../../src/relay/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { sessionCount } from '../fixtures/sessions.ts'
import { endingOf, readAll } from '../fixtures/sockets.ts'
import { allowFrom, allowTo } from '../fixtures/world.ts'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import type { FlowRecord } from '../../src/model/flow.ts'
import type { SessionSource } from '../../src/observe/index.ts'
import type { World, WorldOptions } from '../fixtures/world.ts'

type Open = (options?: WorldOptions) => Promise<World>
type Count = Record<'fresh' | 'reused' | 'stale', number>

/** Where the sessions of the client's connections came from; a handshake that rests on an earlier one is as fresh as any. */
export async function sources (world: World): Promise<Count> {
  const { text } = await world.client.metrics.text()
  const count = (source: SessionSource): number => sessionCount(text, 'outbound', source)
  return { fresh: count('fresh') + count('resumed'), reused: count('reused'), stale: count('stale') }
}

/** Resting sessions, at the client's end and at the server's. */
export const resting = ({ client, server }: World): readonly [number, number] => [client.node.idle.counts.outbound, server.node.idle.counts.inbound]

/** Resolves when both ends agree on how many sessions rest. */
export async function settled (world: World): Promise<number> {
  await eventually(() => { const [client, server] = resting(world); return client === server })
  return resting(world)[0]
}

/** One connection from its beginning to its end; resolves when both ends have written their records and are at rest. */
export async function visit (world: World, said = 'hello'): Promise<{ readonly heard: string, readonly out: FlowRecord, readonly into: FlowRecord }> {
  const before = world.client.records().length
  const socket = world.dial()
  socket.end(said)
  const heard = (await readAll(socket)).toString()
  const out = await eventually(() => world.client.records()[before])
  const into = await eventually(() => world.server.records().find(({ flow }) => flow === out.flow))
  await settled(world)
  return { heard, out, into }
}

/** A connection that is reset; resolves with the record of either end. */
async function refused (world: World): Promise<{ readonly out: FlowRecord, readonly into: FlowRecord }> {
  const before = world.client.records().length
  const socket = world.dial()
  socket.write('secret')
  await endingOf(socket)
  const out = await eventually(() => world.client.records()[before])
  const into = await eventually(() => world.server.records().find(({ flow }) => flow === out.flow))
  await settled(world)
  return { out, into }
}

/** A world whose server sends back what it gets, and ends when the client does. */
export async function echoing (openWorld: Open, options?: WorldOptions): Promise<World> {
  const world = await openWorld(options)
  await world.serve(socket => { socket.pipe(socket) })
  return world
}

/**
 * Adds the tests to `t`; `openWorld` gives a world of two agents. `lends`: what rests is lent; then what looks into the
 * main thread's keeping of sessions, or drives its clock, is left out (test/proxy/lending.test.ts has its like).
 */
export function reuse (t: Test, openWorld: Open, { lends = false }: { readonly lends?: boolean } = {}): void {
  t.setTimeout(240_000) // some dozen worlds, each with two agents
  t.test('connections follow each other in one session, each with bytes, a flow id and records of its own', async t => {
    await using world = await echoing(openWorld)
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
    const flows = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const said = 'x'.repeat(i * 5000)
      const { heard, out, into } = await visit(world, said)
      t.equal(heard, said)
      t.match(out, { outcome: 'completed', mode: 'encrypt', peer: 'verified', bytesSent: said.length, bytesReceived: said.length, realDestination: /^127\.0\.0\.1:/ })
      t.match(into, { outcome: 'completed', mode: 'encrypt', peer: 'verified', bytesSent: said.length, decidedBy: 'NetworkPolicy shop/allow ingress[0]' })
      t.equal(into.source.spiffeId, 'spiffe://east.example/ns/shop/sa/client')
      t.equal(out.destination.spiffeId, 'spiffe://east.example/ns/shop/sa/web')
      flows.add(out.flow)
    }
    t.equal(flows.size, 20)
    t.same(await sources(world), { fresh: 1, reused: 19, stale: 0 })
  })

  t.test('whichever end ends first, and whoever speaks first', async t => {
    await using world = await openWorld()
    let serve = (socket: Socket): void => { socket.pipe(socket) }
    await world.serve(socket => { serve(socket) })
    await visit(world)
    serve = socket => { socket.end('banner') }
    for (let i = 0; i < 3; i++) {
      const socket = world.dial()
      t.equal((await readAll(socket)).toString(), 'banner')
      socket.end('thanks')
      await eventually(() => world.client.records().length === 2 + i && world.server.records().length === 2 + i)
      t.match(world.server.records()[1 + i], { outcome: 'completed', bytesSent: 6, bytesReceived: 6 })
      t.equal(await settled(world), 1)
    }
    t.same(await sources(world), { fresh: 1, reused: 3, stale: 0 })
  })

  t.test('connections at the same time have a session each, and those that follow take them over', async t => {
    await using world = await echoing(openWorld)
    for (let round = 0; round < 3; round++) {
      const sockets = Array.from({ length: 10 }, () => world.dial())
      for (const [i, socket] of sockets.entries()) {
        socket.write(`${i}`)
        t.equal(String(await once(socket, 'data')), `${i}`)
      }
      for (const socket of sockets) socket.end()
      for (const socket of sockets) await readAll(socket)
      await eventually(() => resting(world).every(count => count === 10))
    }
    t.same(await sources(world), { fresh: 10, reused: 20, stale: 0 })
    t.equal(new Set(world.client.records().map(({ flow }) => flow)).size, 30)
  })

  t.test('each connection is judged by the policies of its own time, at either end, and a denial ends the session', async t => {
    await using world = await echoing(openWorld)
    await visit(world)
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'nobody' }))
    const byServer = await refused(world)
    t.match(byServer.into, { outcome: 'denied-by-policy', verdict: 'denied', bytesSent: 0 })
    t.match(byServer.out, { outcome: 'denied-by-peer', verdict: 'denied', decidedBy: byServer.into.decidedBy, reason: byServer.into.reason, bytesSent: 0 })
    t.equal(await settled(world), 0)
    world.server.enforce()
    await visit(world)
    world.client.enforce(allowTo({ app: 'client' }, { app: 'nobody' }))
    const byClient = await refused(world)
    t.match(byClient.out, { outcome: 'denied-by-policy', verdict: 'denied' })
    t.match(byClient.into, { outcome: 'denied-by-peer', verdict: 'denied', decidedBy: byClient.out.decidedBy })
    t.equal(await settled(world), 0)
    world.client.enforce()
    t.equal((await visit(world)).heard, 'hello')
    t.same(await sources(world), { fresh: 3, reused: 1, stale: 0 })
  })

  t.test('a change of policy closes a live connection on a session that has carried others', async t => {
    await using world = await echoing(openWorld)
    await visit(world)
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    const ending = endingOf(socket)
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'nobody' }))
    t.equal(await ending, 'ECONNRESET')
    t.match(await eventually(() => world.server.records()[1]), { outcome: 'policy-changed' })
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'closed-by-peer', detail: /^policy-changed/ })
    t.equal(await settled(world), 0)
  })

  for (const whose of ['client', 'server'] as const) {
    t.test(`other labels of the ${whose} end what rests, and the next connection proves them`, async t => {
      await using world = await echoing(openWorld)
      await visit(world)
      t.equal(await settled(world), 1)
      world[whose].relabel({ app: whose === 'client' ? 'client' : 'web', tier: 'new' })
      await eventually(() => resting(world).every(count => count === 0))
      const { heard, out, into } = await visit(world)
      t.equal(heard, 'hello')
      t.match(whose === 'client' ? into.source.labels : out.destination.labels, { tier: 'new' })
      t.same(await sources(world), { fresh: 2, reused: 0, stale: 0 })
    })

    if (!lends) t.test(`trust that has changed at the ${whose} ends the reuse, without a word too, and no connection notices`, async t => {
      await using world = await echoing(openWorld)
      await visit(world)
      // Nobody is told: the client's end takes no session under new trust, and the server's refuses to go on with one.
      world[whose].trust.replace(new TrustBundles([...world[whose].trust.bundles().roots]))
      const { heard, out, into } = await visit(world)
      t.equal(heard, 'hello')
      t.match([out, into], [{ outcome: 'completed' }, { outcome: 'completed' }])
      t.equal(world.server.records().length, 2, 'the connection that found the session dead was none at the server')
      t.same(await sources(world), { fresh: 2, reused: 0, stale: whose === 'client' ? 0 : 1 })
    })

    t.test(`when the ${whose} goes away what rests ends, and the other end knows`, async t => {
      await using world = await echoing(openWorld)
      await visit(world)
      world[whose].close.abort(new Revocation('workload-gone', ''))
      await eventually(() => resting(world).every(count => count === 0))
      t.equal(world.client.records().length + world.server.records().length, 2, 'what rests is no connection')
    })

    t.test(`an agent that stops serving at the ${whose} keeps nothing, and what is under way goes on`, async t => {
      await using world = await echoing(openWorld)
      const [done, live] = [world.dial(), world.dial()]
      for (const socket of [done, live]) { socket.write('x'); await once(socket, 'data') }
      done.end()
      await readAll(done)
      await eventually(() => resting(world).every(count => count === 1))
      world[whose].node.idle.close()
      await eventually(() => resting(world).every(count => count === 0))
      live.end('y')
      t.equal((await readAll(live)).toString(), 'y')
      await eventually(() => world.client.records().length === 2 && world.server.records().length === 2)
      t.equal(await settled(world), 0)
    })
  }

  t.test('what a slow application has not read yet is not lost with a session that the next connection has given up', async t => {
    await using world = await openWorld()
    const said = 3_000_000
    const slow = Promise.withResolvers<Socket>()
    let count = 0
    await world.serve(socket => {
      if (++count !== 2) { socket.pipe(socket); return }
      socket.end('later') // and reads nothing
      slow.resolve(socket)
    })
    await visit(world)
    const first = world.dial()
    first.end(Buffer.alloc(said, 7))
    t.equal((await readAll(first)).toString(), 'later')
    const socket = await slow.promise
    await eventually(() => world.client.records().length === 2, 5000).catch(() => {}) // its bytes are with the kernels, if these take so many
    t.equal((await visit(world)).heard, 'hello')
    await pause(1500) // longer than the polite end of a session takes
    t.equal((await readAll(socket)).length, said)
  })

  t.test('a session that an application has reset carries nothing more', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.on('data', bytes => { if (String(bytes) === 'die') socket.resetAndDestroy(); else socket.end(bytes) }) })
    await visit(world)
    const socket = world.dial()
    socket.write('die')
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'reset-by-server' })
    t.equal(await settled(world), 0)
    t.equal((await visit(world)).heard, 'hello')
    t.same(await sources(world), { fresh: 2, reused: 1, stale: 0 })
  })

  t.test('a server that is not there any more is told apart on a session that has carried others', async t => {
    await using world = await echoing(openWorld)
    await visit(world)
    await world.stopServing()
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await eventually(() => world.client.records()[1]), { outcome: 'upstream-refused' })
    t.match(await eventually(() => world.server.records()[1]), { outcome: 'upstream-refused', verdict: 'allowed' })
    t.equal(await settled(world), 0)
  })

  t.test('a session carries so many connections and no more', async t => {
    await using world = await echoing(openWorld, { reuse: { uses: 3 } })
    for (let i = 0; i < 9; i++) t.equal((await visit(world)).heard, 'hello')
    t.same(await sources(world), { fresh: 3, reused: 6, stale: 0 })
  })

  t.test('without reuse every connection shakes hands', async t => {
    await using world = await echoing(openWorld, { reuse: { uses: 0 } })
    for (let i = 0; i < 3; i++) await visit(world)
    t.same(resting(world), [0, 0])
    t.same(await sources(world), { fresh: 3, reused: 0, stale: 0 })
  })

  if (!lends) t.test('a session rests for so long and no longer, and grows so old and no older', async t => {
    const clock = new FakeClock(Date.now())
    await using world = await echoing(openWorld, { clock, reuse: { idleMs: 10_000, rewrittenAgeMs: 25_000 } })
    await visit(world)
    clock.advance(9_999)
    await visit(world)
    clock.advance(10_000)
    await eventually(() => resting(world).every(count => count === 0))
    for (let i = 0; i < 4; i++) { await visit(world); clock.advance(9_000) }
    t.same(await sources(world), { fresh: 3, reused: 3, stale: 0 })
  })

  t.test('a pod has so many resting sessions; the one that rests longest goes', async t => {
    await using world = await echoing(openWorld, { reuse: { perPod: 3 } })
    const sockets = Array.from({ length: 8 }, () => world.dial())
    for (const socket of sockets) { socket.write('x'); await once(socket, 'data') }
    for (const socket of sockets) { socket.end(); await readAll(socket) }
    await eventually(() => world.client.records().length === 8)
    t.ok(await settled(world) <= 3)
    t.equal((await visit(world)).heard, 'hello')
  })

  if (!lends) t.test('a session is for its own pod and its own destination, and for nobody else of the same address', async t => {
    await using world = await echoing(openWorld)
    await visit(world)
    const { pod, node } = world.client
    const to = parseSocketAddress(world.client.records()[0]?.originalDestination ?? '')
    if (to === undefined) { t.fail('no destination'); return }
    t.equal(node.idle.take({ ...pod }, to, () => true), undefined, 'another pod that looks the same')
    t.equal(node.idle.take(pod, { ...to, port: to.port ^ 1 }, () => true), undefined)
    t.equal(node.idle.take(pod, to, () => false), undefined)
    using session = node.idle.take(pod, to, () => true)
    t.equal(session?.uses, 2)
    t.equal(node.idle.take(pod, to, () => true), undefined, 'one at a time')
  })

  t.test('a connection on a resting session takes a place of its pod, and a resting session takes none', async t => {
    await using world = await echoing(openWorld, { connections: 1 })
    await visit(world)
    t.same([world.client.pod.places.taken, world.server.pod.places.taken], [0, 0])
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    await eventually(() => world.client.pod.places.taken === 1 && world.server.pod.places.taken === 1)
    t.same(await sources(world), { fresh: 1, reused: 1, stale: 0 })
    socket.end()
    await readAll(socket)
  })
}
