import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { NativeTransport } from '../../src/relay/index.ts'
import { Loop } from '../../src/relay/native/thread/loop.ts'
import { Bell } from '../../src/sys/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { dial, listen, openRoad, patience, roadParts } from '../fixtures/road.ts'
import { readAll } from '../fixtures/sockets.ts'
import type { Worker } from 'node:worker_threads'
import type { Connection } from '../../src/relay/index.ts'
import type { RoadMode, Trip } from '../fixtures/road.ts'

const modes = { encrypt: { near: 'encrypt', far: 'encrypt' }, authenticate: { near: 'authenticate', far: 'authenticate' }, plain: 'plain' } as const satisfies Record<string, RoadMode>
const nothing = { counts: {}, makers: [] }
const total = (counts: readonly { readonly counts: Readonly<Record<string, number>> }[], kind: string): number => counts.reduce((sum, { counts }) => sum + (counts[kind] ?? 0), 0)

t.test('connections spread over threads, and stay whole', async t => {
  const transport = new NativeTransport({ threads: 3, trace: true })
  {
    await using road = await openRoad(transport, transport, modes.encrypt)
    const trips = await Promise.all(Array.from({ length: 60 }, () => road.travel()))
    const received = Promise.all(trips.map(async ({ client, server }) => await Promise.all([readAll(server), readAll(client)])))
    for (const { client, server } of trips) { client.end('question'); server.end('answer') }
    for (const [atServer, atClient] of await received) t.same([atServer.toString(), atClient.toString()], ['question', 'answer'])
    for (const { near, far } of trips) for (const toll of [near, far]) t.same(await toll.ending, { kind: 'completed' })
  }
  for (const held of await transport.stop()) t.same(held, nothing)
})

t.test('what lives is counted, with who made it', async t => {
  const transport = new NativeTransport({ threads: 1, trace: true })
  await using road = await openRoad(transport, transport, modes.encrypt)
  using trip = await road.travel()
  trip.client.write('x')
  await eventually(() => trip.far.moved.client === 1)
  const held = await transport.census()
  t.equal(total(held, 'SSL'), 2)
  t.equal(total(held, 'SSL_CTX'), 2)
  t.ok(held.every(({ makers }) => makers.some(maker => maker.includes('TlsConnection'))))
  t.equal(total(held, 'pipe'), 0, 'a quiet connection holds no pipe')
  for (const left of await transport.stop()) t.same(left, nothing)
})

t.test('a thread that is stopped takes its connections with it', async t => {
  const transport = new NativeTransport({ threads: 1, trace: true })
  const road = await openRoad(transport, transport, modes.encrypt)
  using trip = await road.travel()
  trip.client.write(randomBytes(4 * 1024 * 1024))
  await eventually(() => trip.far.moved.client > 0)
  for (const held of await transport.stop()) t.same(held, nothing)
  for (const { ending } of [trip.near, trip.far]) t.match(await ending, { kind: 'aborted' })
  await road[Symbol.asyncDispose]()
})

for (const [name, mode] of Object.entries(modes)) {
  t.test(`busy connections do not starve others: ${name}`, async t => {
    const transport = new NativeTransport({ threads: 1 })
    await using road = await openRoad(transport, transport, mode)
    const busy = await Promise.all([road.travel(), road.travel()])
    const stop = busy.map(keepBusy)
    await eventually(() => busy.every(({ far }) => far.moved.client > 0))
    const quiet = await Promise.all(Array.from({ length: 50 }, () => road.travel()))
    const before = busy.map(({ far }) => far.moved.client)
    for (let i = 0; i < 5; i++) {
      const heard = quiet.map(({ server }) => new Promise<string>(resolve => { server.once('data', bytes => { resolve(String(bytes)) }).resume() }))
      for (const { client } of quiet) client.write(`${i}`)
      t.ok((await Promise.all(heard)).every(said => said === String(i)))
    }
    await eventually(() => busy.every(({ far }, i) => far.moved.client > (before[i] ?? 0)))
    t.pass('and the busy ones went on')
    for (const one of stop) one()
    for (const trip of [...busy, ...quiet]) trip[Symbol.dispose]()
    await transport.close()
  })
}

t.test('a thread that dies leaves nobody waiting, and says so', async t => {
  const workers: Worker[] = []
  const note = (worker: Worker): void => { workers.push(worker) }
  process.on('worker', note)
  const transport = new NativeTransport({ threads: 1 })
  const road = await openRoad(transport, transport, modes.encrypt)
  process.off('worker', note)
  using trip = await road.travel()
  trip.client.write(randomBytes(1024 * 1024))
  await eventually(() => trip.far.moved.client > 0)
  const raw = Promise.withResolvers<Connection>()
  const { port, listening } = await listen(transport, connection => { raw.resolve(connection); return Promise.resolve() }, raw.reject)
  const client = connect(port, '127.0.0.1').on('error', () => {})
  const connection = await raw.promise

  workers[0]?.postMessage(null) // no order: as a fault in the thread's own loop
  await t.rejects(transport.census())
  await t.rejects(transport.failed, /relay thread has died/)
  for (const { ending } of [trip.near, trip.far]) t.match(await ending, { kind: 'aborted', abort: { detail: 'relay-thread-ended' } })
  await t.rejects(transport.census(), 'also when asked later')
  await t.rejects(dial(transport, port, connection), { name: 'SysError' })
  await t.rejects(transport.secureInbound(connection, roadParts.server, patience()), { code: 'handshake-failed' })
  await road[Symbol.asyncDispose]()
  await listening.close()
  await t.rejects(transport.stop(), /died/)
  await transport.close()
  client.destroy()
})

t.test('a fault in the turn of one connection ends that one, and is told', async t => {
  const faults: unknown[] = []
  using bell = new Bell()
  using loop: Loop = new Loop(bell.number, { onBell: () => {}, afterTurn: () => {}, onFault: error => { if (faults.push(error) === 3) loop.stop() } })
  const turns: string[] = []
  loop.schedule({ run: () => { throw new Error('run') }, crash: () => { turns.push('crash'); throw new Error('crash') } })
  loop.schedule({ run: () => { turns.push('other'); return false }, crash: () => {} })
  loop.after(0, () => { throw new Error('alarm') })
  loop.run()
  t.same(turns, ['crash', 'other'])
  t.same(faults.map(String).sort(), ['Error: alarm', 'Error: crash', 'Error: run'])
})

t.test('whoever floods a main thread that is busy waits in the kernel, and is served later', async t => {
  const wanted = 1500
  const transport = new NativeTransport({ threads: 1, trace: true })
  let served = 0
  const { port, listening } = await listen(transport, async connection => { served++; connection.reset() }, error => { t.fail('failed', { error }) })
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  const script = `const { connect } = require('node:net'); for (let i = 0; i < ${wanted}; i++) connect(${port}, '127.0.0.1').on('error', () => {})`
  const flood = execFile(process.execPath, ['-e', script])
  let most = 0
  // As a main thread that does not come to its messages; its other threads go on.
  await eventually(() => { for (let i = 0; i < 20; i++) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50); most = Math.max(most, descriptors() - before) } return most > 100 }, 60_000)
  t.ok(most <= 600, `${most} descriptors for those who came`)
  await eventually(() => served === wanted, 60_000)
  flood.kill()
  await listening.close()
  for (const held of await transport.stop()) t.same(held, nothing)
})

t.test('a process that exits does not wait for its threads', async t => {
  const relay = fileURLToPath(new URL('../../src/relay/index.ts', import.meta.url))
  for (const [ending, code] of [['process.exit(3)', 3], ['throw new Error("on purpose")', 1]] as const) {
    const script = `import { NativeTransport } from '${relay}'; const transport = new NativeTransport({ threads: 2 }); await transport.census(); ${ending}`
    const child = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000, killSignal: 'SIGKILL' })
    await t.rejects(child, { code, killed: false })
  }
})

/** Writes as fast as it goes, and reads at the other end; the result stops it. */
function keepBusy ({ client, server }: Trip): () => void {
  const piece = Buffer.alloc(256 * 1024)
  let on = true
  const go = (): void => {
    while (on && client.write(piece)) { /* more */ }
    if (on) client.once('drain', go)
  }
  server.resume()
  go()
  return () => { on = false }
}
