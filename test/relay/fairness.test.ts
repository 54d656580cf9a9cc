/** What one connection may cost the others: memory of its own, with a bound, and turns. */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { openRelays } from '../fixtures/road.ts'
import { withTransports } from '../fixtures/transports.ts'
import type { AddressInfo, Socket } from 'node:net'
import type { RoadMode, Toll } from '../fixtures/road.ts'
import type { Kind } from '../fixtures/transports.ts'
import type { BusyParty } from './busy-party.ts'

const modes = { encrypt: { near: 'encrypt', far: 'encrypt' }, plain: 'plain' } as const satisfies Record<string, RoadMode>
const kinds: readonly Kind[] = ['native', 'streams']
/** Thousand connections are opened on whatever machine this is. */
const patienceMs = 120_000

function startParty (party: BusyParty): Worker & AsyncDisposable {
  const worker = new Worker(new URL('busy-party.ts', import.meta.url), { workerData: party })
  return Object.assign(worker, { [Symbol.asyncDispose]: async () => { await worker.terminate() } })
}

async function dialled (port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

/** Resolves when the byte has come back. */
async function echoed (socket: Socket): Promise<void> {
  socket.write('e')
  await once(socket, 'data')
}

t.setTimeout(290_000)
for (const kind of kinds) {
  for (const [name, mode] of Object.entries(modes)) {
    t.test(`${kind}, ${name}: a connection whose reader does not read takes a bounded number of bytes`, async t => withTransports(t, [kind, kind], async (near, far) => {
      const count = 50
      const held: Socket[] = []
      const application = createServer({ pauseOnConnect: true }, socket => { held.push(socket.on('error', () => {})) }).listen(0, '127.0.0.1')
      await once(application, 'listening')
      const tolls: Toll[] = []
      await using relays = await openRelays(near, far, mode, {
        application: (application.address() as AddressInfo).port, near: toll => { tolls.push(toll) }, far: toll => { tolls.push(toll) }, failed: (at, error) => { t.fail(at, { error }) }, // it listens on TCP
      })
      const clients = await Promise.all(Array.from({ length: count }, async () => dialled(relays.port)))
      await eventually(() => tolls.length === 2 * count, patienceMs)
      const piece = Buffer.alloc(64 * 1024 * 1024, 1) // of which every page is there
      const before = process.memoryUsage.rss()
      for (const client of clients) client.write(piece)
      await isStill(() => tolls.reduce((sum, { moved }) => sum + moved.client, 0))
      const moved = tolls.reduce((sum, { moved }) => sum + moved.client, 0)
      const each = (process.memoryUsage.rss() - before) / count
      t.ok(moved > 100 * count * 1024, 'they are full')
      t.ok(each < 4 * 1024 * 1024, `${Math.round(each / 1024)} KiB for each connection, at both agents together`)
      t.comment(`${Math.round(moved / count / 1024)} KiB moved and ${Math.round(each / 1024)} KiB taken for each`)
      for (const socket of [...clients, ...held]) socket.destroy()
      application.close()
    }))
  }
}

for (const kind of kinds) {
  for (const [name, mode] of Object.entries(modes)) {
    t.test(`${kind}, ${name}: one busy connection does not starve a thousand others`, async t => withTransports(t, [kind, kind], async (near, far) => {
      await using application = startParty({ role: 'application' })
      const [place] = await once(application, 'message') as [number] // its port
      const tolls: Toll[] = []
      await using relays = await openRelays(near, far, mode, { application: place, near: toll => { tolls.push(toll) }, far: () => {}, failed: (at, error) => { t.fail(at, { error }) } })
      await using _bulk = startParty({ role: 'bulk', port: relays.port })
      const movedByBulk = (): number => tolls[0]?.moved.client ?? 0
      await eventually(() => movedByBulk() > 50e6, patienceMs)

      const others: Socket[] = []
      for (let i = 0; i < 1000; i++) others.push(await dialled(relays.port))
      await Promise.all(others.map(echoed))
      // All are open now: who has a byte to say gets a turn, and the busy one goes on as well.
      const before = movedByBulk()
      for (let round = 0; round < 3; round++) await Promise.all(others.map(echoed))
      t.comment(`${Math.round((movedByBulk() - before) / 1e6)} MB were moved beside 3,000 bytes that went to and fro`)
      await eventually(() => movedByBulk() > before, patienceMs)
      for (const socket of others) socket.destroy()
    }))
  }
}

/** Resolves when the number has not changed for a second. */
async function isStill (number: () => number): Promise<void> {
  let [last, since] = [NaN, 0]
  await eventually(() => {
    if (number() !== last) [last, since] = [number(), performance.now()]
    return performance.now() - since > 1000
  }, patienceMs)
}
