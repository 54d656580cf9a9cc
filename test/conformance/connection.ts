/** What a connection is from end to end, through two agents, whatever moves its bytes. */

import { once } from 'node:events'
import { TrustBundles } from '../../src/identity/index.ts'
import { Revocation } from '../../src/relay/index.ts'
import { openBetween } from '../fixtures/between.ts'
import { eventually } from '../fixtures/eventually.ts'
import { endingOf, readAll } from '../fixtures/sockets.ts'
import { allowFrom, allowTo } from '../fixtures/world.ts'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import type { FlowRecord } from '../../src/model/flow.ts'
import type { FakeAgent, World, WorldOptions } from '../fixtures/world.ts'

const onlyRecord = async (agent: FakeAgent): Promise<FlowRecord> => {
  return await eventually(() => agent.records()[0])
}

/** Adds the tests to `t`; `openWorld` gives a world of two agents. */
export function connections (t: Test, openWorld: (options?: WorldOptions) => Promise<World>): void {
  t.test('an allowed connection carries bytes both ways, and both ends record whom they have proven', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
    const socket = world.dial()
    socket.end('hello')
    t.equal((await readAll(socket)).toString(), 'hello')
    const [out, into] = [await onlyRecord(world.client), await onlyRecord(world.server)]
    t.match(out, { direction: 'outbound', verdict: 'allowed', outcome: 'completed', mode: 'encrypt', peer: 'verified', bytesSent: 5, bytesReceived: 5 })
    t.match(into, { direction: 'inbound', verdict: 'allowed', outcome: 'completed', decidedBy: 'NetworkPolicy shop/allow ingress[0]', bytesSent: 5, bytesReceived: 5 })
    t.equal(out.flow, into.flow, 'the flow has one id at both ends')
    t.equal(into.source.spiffeId, 'spiffe://east.example/ns/shop/sa/client')
    t.equal(out.destination.spiffeId, 'spiffe://east.example/ns/shop/sa/web')
  })

  t.test('a connection that the server end denies is reset, and the client end records why', async t => {
    await using world = await openWorld()
    await world.serve(() => { t.fail('the application was reached') })
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'somebody-else' }))
    const socket = world.dial()
    socket.write('secret')
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.server), { verdict: 'denied', outcome: 'denied-by-policy', bytesSent: 0 })
    const out = await onlyRecord(world.client)
    t.match(out, { verdict: 'denied', outcome: 'denied-by-peer', decidedBy: /NetworkPolicy shop\/allow/ })
    t.equal(out.reason, world.server.records()[0]?.reason)
  })

  t.test('a connection that the client end denies never reaches the application', async t => {
    await using world = await openWorld()
    await world.serve(() => { t.fail('the application was reached') })
    world.client.enforce(allowTo({ app: 'client' }, { app: 'somebody-else' }))
    const socket = world.dial()
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.client), { verdict: 'denied', outcome: 'denied-by-policy' })
    t.match(await onlyRecord(world.server), { verdict: 'denied', outcome: 'denied-by-peer', decidedBy: /allow-out/ })
  })

  t.test('a handshake that breaks when the server has greeted is told as such, and not as a reset of the application', async t => {
    await using world = await openWorld()
    await world.serve(() => { t.fail('the application was reached') })
    // The ClientHello gets through, and the server's whole first flight.
    await using between = await openBetween(world.server.inboundPort, (bytes, from, to, before) => {
      if (from === 'client' && before.length > 0) return 'cut'
      to.write(bytes)
    })
    world.client.target = { port: between.port }
    const socket = world.dial()
    socket.write('secret')
    t.equal(await endingOf(socket), 'ECONNRESET')
    for (const agent of [world.client, world.server]) t.match(await onlyRecord(agent), { outcome: 'handshake-failed', bytesReceived: 0 })
  })

  t.test('a server that speaks first is heard without a word from the client', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.write('220 ready\r\n') })
    const socket = world.dial()
    const [banner] = await once(socket, 'data') as [Buffer] // what a socket emits
    t.equal(banner.toString(), '220 ready\r\n')
    socket.resetAndDestroy()
  })

  t.test('a reset of one application is a reset of the other', async t => {
    for (const by of ['client', 'server'] as const) {
      await using world = await openWorld()
      const applications: Socket[] = []
      await world.serve(socket => { applications.push(socket); socket.write('x') })
      const client = world.dial()
      await once(client, 'data')
      const [application] = applications
      if (application === undefined) { t.fail('no application'); return }
      const [one, other] = by === 'client' ? [client, application] : [application, client]
      const seen = endingOf(other)
      one.resetAndDestroy()
      t.equal(await seen, 'ECONNRESET')
      for (const agent of [world.client, world.server]) t.equal((await onlyRecord(agent)).outcome, `reset-by-${by}`)
    }
  })

  t.test('a peer without an agent is unverified: no label rule lets it in, an empty policy set does', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    world.client.agents = { answered: false, speaks: false }
    world.server.agents = { answered: false, speaks: false }
    const open = world.dial()
    open.end('plain')
    t.equal((await readAll(open)).toString(), 'plain')
    t.match(await onlyRecord(world.server), { verdict: 'allowed', peer: 'no-agent', mode: 'plain' })
    world.server.enforce(allowFrom({ app: 'web' }, {}))
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await eventually(() => world.server.records()[1]), { verdict: 'denied', peer: 'no-agent', outcome: 'denied-by-policy' })
  })

  t.test('a server that is not there is told apart from one that refuses', async t => {
    await using world = await openWorld()
    const socket = world.dial()
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.server), { outcome: 'upstream-refused', verdict: 'allowed' })
    t.match(await onlyRecord(world.client), { outcome: 'upstream-refused', detail: 'upstream-refused: ECONNREFUSED' })
  })

  t.test('a change of policy closes the live connections that it denies, and no other', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
    socket.write('y')
    await once(socket, 'data')
    world.server.enforce(allowFrom({ app: 'web' }, { app: 'nobody' }))
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.server), { outcome: 'policy-changed', verdict: 'denied' })
    t.match(await onlyRecord(world.client), { outcome: 'closed-by-peer', detail: /^policy-changed/ })
  })

  t.test('a pod that is relabelled is judged by its new labels at the other end, on the live connection', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    world.server.enforce(allowFrom({ app: 'web' }, { tier: 'front' }))
    world.client.relabel({ app: 'client', tier: 'front' })
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    const ending = endingOf(socket)
    world.client.svids.onChange(() => { world.client.node.registry.renew(world.client.pod) })
    world.client.relabel({ app: 'client', tier: 'back' })
    t.equal(await ending, 'ECONNRESET')
    t.match(await onlyRecord(world.server), { outcome: 'policy-changed' })
  })

  t.test('trust that is withdrawn ends live connections', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    world.server.trust.replace(new TrustBundles([]))
    world.server.node.registry.reprove()
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.server), { outcome: 'policy-changed' })
  })

  t.test('a pod that goes away takes its connections with it', async t => {
    await using world = await openWorld()
    await world.serve(socket => { socket.pipe(socket) })
    const socket = world.dial()
    socket.write('x')
    await once(socket, 'data')
    world.server.close.abort(new Revocation('workload-gone', ''))
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await onlyRecord(world.server), { outcome: 'workload-gone' })
    t.match(await onlyRecord(world.client), { outcome: 'closed-by-peer', detail: 'workload-gone' })
  })

  t.test('a pod has no more connections than it has places', async t => {
    await using world = await openWorld({ connections: 1 })
    await world.serve(socket => { socket.pipe(socket) })
    const first = world.dial()
    first.write('x')
    await once(first, 'data')
    t.equal(await endingOf(world.dial()), 'ECONNRESET')
    t.match(await onlyRecord(world.client), { outcome: 'limit-reached' })
    first.end()
    await readAll(first)
  })
}
