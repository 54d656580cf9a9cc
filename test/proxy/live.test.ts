import { once } from 'node:events'
import t from 'tap'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { endingOf } from '../fixtures/sockets.ts'
import { allowFrom, openWorld } from '../fixtures/world.ts'
import type { Socket } from 'node:net'
import type { World } from '../fixtures/world.ts'

/** Lets the client in by a rule that says what becomes of live connections. */
function accessFor (client: string, onChange: object): object {
  return {
    apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'access' },
    spec: { subject: { namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }, ingress: [{ action: 'allow', from: [{ podSelector: { matchLabels: { app: client } } }] }], ...onChange },
  }
}

/** A live connection in a world whose time stands still. */
async function live (world: World): Promise<Socket> {
  await world.serve(socket => { socket.pipe(socket) })
  const socket = world.dial()
  socket.write('x')
  await once(socket, 'data')
  return socket
}

async function echoes (socket: Socket): Promise<void> {
  socket.write('y')
  await once(socket, 'data')
}

t.test('a rule that drains lets a live connection finish for its time, and no longer', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await openWorld({ clock })
  world.server.enforce(accessFor('client', { onChange: 'drain', drainSeconds: 30 }))
  const socket = await live(world)
  world.server.enforce(accessFor('nobody', {}))
  await echoes(socket)
  clock.advance(29_999)
  await echoes(socket)
  const ending = endingOf(socket)
  clock.advance(1)
  t.equal(await ending, 'ECONNRESET')
  t.match(await eventually(() => world.server.records()[0]), { outcome: 'policy-changed', verdict: 'denied' })
})

t.test('a connection that is allowed again while it drains lives on', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await openWorld({ clock })
  world.server.enforce(accessFor('client', { onChange: 'drain', drainSeconds: 30 }))
  const socket = await live(world)
  world.server.enforce(accessFor('nobody', {}))
  world.server.enforce(accessFor('client', {}))
  clock.advance(60_000)
  await echoes(socket)
  t.same(world.server.records(), [])
  socket.resetAndDestroy()
})

t.test('a rule that keeps lets a live connection be, but no new one in', async t => {
  await using world = await openWorld()
  world.server.enforce(accessFor('client', { onChange: 'keep' }))
  const socket = await live(world)
  world.server.enforce(accessFor('nobody', {}))
  await echoes(socket)
  t.equal(await endingOf(world.dial()), 'ECONNRESET')
  await echoes(socket)
  socket.resetAndDestroy()
})

t.test('a live connection ends with the certificate that it was opened with, unless that was renewed', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await openWorld({ clock })
  world.server.enforce(allowFrom({ app: 'web' }, { app: 'client' }))
  const socket = await live(world)
  const hourMs = 3_600_000
  for (const agent of [world.client, world.server]) agent.svids.stop() // nobody renews
  clock.advance(hourMs / 2)
  await echoes(socket)
  const ending = endingOf(socket)
  clock.advance(hourMs / 2 + 1000)
  t.equal(await ending, 'ECONNRESET')
  const outcomes = await eventually(() => {
    const all = [world.client, world.server].flatMap(agent => agent.records().map(({ outcome }) => outcome))
    return all.length === 2 && all
  })
  t.ok(outcomes.includes('identity-expired'), outcomes.join())
})

t.test('renewed certificates carry a live connection beyond the first ones', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await openWorld({ clock })
  const socket = await live(world)
  const renewals = { count: 0 }
  for (const agent of [world.client, world.server]) {
    agent.svids.onChange(svid => {
      if (svid === undefined) return
      renewals.count++
      agent.node.registry.renew(agent.pod)
    })
  }
  const stepMs = 5000
  for (let atMs = 0; atMs < 180 * 60_000; atMs += stepMs) {
    clock.advance(stepMs)
    // A try makes keys in another thread and has a deadline, which is longer than a step: time stands still until it is done.
    await eventually(() => [world.client, world.server].every(agent => agent.svids.state().nextTryMs !== undefined))
    if (atMs % (15 * 60_000) === 0) await echoes(socket)
  }
  t.ok(renewals.count >= 8, `${renewals.count} renewals in three hours`)
  t.same(world.server.records(), [])
  socket.resetAndDestroy()
})
