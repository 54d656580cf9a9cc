import { once } from 'node:events'
import t from 'tap'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { endingOf, readAll } from '../fixtures/sockets.ts'
import { openTransport } from '../fixtures/transports.ts'
import { openWorld } from '../fixtures/world.ts'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import type { SecureMode } from '../../src/model/mode.ts'
import type { World, WorldOptions } from '../fixtures/world.ts'

/** Says how connections into the server's pod have to be carried, whoever allows them. */
function requires (mode: SecureMode): object {
  return {
    apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'carriage' },
    spec: { subject: { namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], mode }] },
  }
}

async function open (t: Test, client: SecureMode, server: SecureMode, options: WorldOptions = {}): Promise<World> {
  const world = await openWorld({ ...options, modes: { client, server }, transports: { client: openTransport(t, 'native'), server: openTransport(t, 'native') } })
  await world.serve(socket => { socket.pipe(socket) })
  return world
}

async function live (world: World): Promise<Socket> {
  const socket = world.dial()
  socket.write('x')
  await once(socket, 'data')
  return socket
}

/** How each end says that its live connection is carried. */
function carried ({ client, server }: World): unknown[] {
  return [client, server].map(({ node: { registry } }) => {
    const [row] = registry.dump()
    return row !== undefined && 'mode' in row ? row.mode : undefined
  })
}

/** Waits for the modes of client and server: the data behind a verdict may be with the application before the verdict is with us. */
async function carries (world: World, modes: readonly string[]): Promise<boolean> {
  return await eventually(() => JSON.stringify(carried(world)) === JSON.stringify(modes))
}

t.test('authenticate is what both ends ask for, or it is not', async t => {
  for (const client of ['encrypt', 'authenticate'] as const) {
    for (const server of ['encrypt', 'authenticate'] as const) {
      const mode = client === server ? client : 'encrypt'
      await using world = await open(t, client, server)
      const socket = await live(world)
      t.ok(await carries(world, [mode, mode]), `${client} and ${server}`)
      socket.end()
      await readAll(socket)
      for (const agent of [world.client, world.server]) t.match(await eventually(() => agent.records()[0]), { outcome: 'completed', mode, bytesSent: 1, bytesReceived: 1 })
    }
  }
})

t.test('a policy that requires encrypt has it, at either end alone', async t => {
  await using world = await open(t, 'authenticate', 'authenticate')
  world.server.enforce(requires('encrypt'))
  const socket = await live(world)
  t.ok(await carries(world, ['encrypt', 'encrypt']))
  socket.end()
  await readAll(socket)
  t.match(await eventually(() => world.server.records()[0]), { outcome: 'completed', verdict: 'allowed', mode: 'encrypt' })
})

t.test('a policy that comes to require encrypt closes what is carried otherwise', async t => {
  await using world = await open(t, 'authenticate', 'authenticate')
  world.server.enforce(requires('authenticate'))
  const socket = await live(world)
  world.server.enforce(requires('encrypt'))
  t.equal(await endingOf(socket), 'ECONNRESET')
  t.match(await eventually(() => world.server.records()[0]), { outcome: 'policy-changed', verdict: 'denied', mode: 'authenticate', reason: /requires encrypt/ })
  t.match(await eventually(() => world.client.records()[0]), { outcome: 'reset-by-server', mode: 'authenticate' }, 'bare bytes have no place for a reason')
  const next = await live(world)
  t.ok(await carries(world, ['encrypt', 'encrypt']), 'and the next one is carried as required')
  next.destroy()
})

t.test('a pod that comes to ask for encrypt ends its connections that are not', async t => {
  for (const end of ['client', 'server'] as const) {
    await using world = await open(t, 'authenticate', 'authenticate')
    const socket = await live(world)
    world[end].ask('encrypt')
    t.equal(await endingOf(socket), 'ECONNRESET')
    t.match(await eventually(() => world[end].records()[0]), { outcome: 'policy-changed', detail: 'the workload asks for encrypt now' })
  }
})

t.test('no renewed certificate reaches a connection that has left TLS: it ends with the first', async t => {
  const clock = new FakeClock(Date.now())
  await using world = await open(t, 'authenticate', 'authenticate', { clock })
  const socket = await live(world)
  const first = world.client.svids.current()
  clock.advance(60_000)
  world.client.relabel({ app: 'client', tier: 'front' })
  const second = await eventually(() => { const now = world.client.svids.current(); return now === first ? undefined : now })
  t.ok(second.notAfterMs > (first?.notAfterMs ?? 0), 'there is a newer one')
  world.client.node.registry.renew(world.client.pod)
  socket.write('y')
  await once(socket, 'data')
  const ending = endingOf(socket)
  clock.advance((first?.notAfterMs ?? 0) - clock.now())
  t.equal(await ending, 'ECONNRESET')
  t.match(await eventually(() => world.server.records()[0]), { outcome: 'identity-expired' })
})
