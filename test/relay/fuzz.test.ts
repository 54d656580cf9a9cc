/**
 * Whatever comes over the wire, and in whatever pieces: what an application gets is the beginning of what the other has sent, every
 * connection ends, and nothing is left alive.
 *
 * A few runs of each, by chance, are part of `npm test`; more by hand: `LIBURNA_FUZZ_RUNS=5000 npx tap --timeout=3600 test/relay/fuzz.test.ts`.
 * A failure prints its seed.
 */

import { setTimeout as later } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { FrameType, encodeHeader } from '../../src/frames/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { inPiecesOf } from '../fixtures/between.ts'
import { openRoad } from '../fixtures/road.ts'
import { withTransports } from '../fixtures/transports.ts'
import type { Socket } from 'node:net'
import type { Transport } from '../../src/relay/index.ts'
import type { Tamper } from '../fixtures/between.ts'
import type { Road, RoadMode, Trip } from '../fixtures/road.ts'
import type { Kind } from '../fixtures/transports.ts'

t.setTimeout(3_600_000)
const numRuns = Number(process.env['LIBURNA_FUZZ_RUNS'] ?? 25)
const kinds: readonly Kind[] = ['native', 'streams']
const patienceMs = 120_000
/** A byte that was turned makes a handshake wait for what never comes, until its time is over. */
const agreeMs = 10_000

/** All that a socket receives until it ends, however it does. */
function hear (socket: Socket): { readonly bytes: () => Buffer, readonly ended: Promise<void> } {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk) }).resume()
  const ended = new Promise<void>(resolve => { for (const event of ['end', 'close', 'error']) socket.on(event, () => { resolve() }) })
  return { bytes: () => Buffer.concat(chunks), ended }
}

function isBeginning (heard: Buffer, said: Buffer): boolean {
  return heard.length <= said.length && heard.equals(said.subarray(0, heard.length))
}

/** Waits for all of them, but not for ever: a failure has to come to its seed. */
async function inTime (...ends: ReadonlyArray<Promise<unknown>>): Promise<void> {
  let over = 0
  for (const end of ends) void end.then(() => { over++ })
  await eventually(() => over === ends.length, patienceMs)
}

/** Of any type, also of none that there is, and of any length. */
function frame (type: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([encodeHeader(type as FrameType, payload.length), payload]) // the header is not looked at
}

const nothing = new Uint8Array(0)

/** What a proven peer with bad intentions may send. */
const word = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 200 }).map(payload => ({ bytes: frame(FrameType.data, payload), isWhole: true, data: payload })) },
  { weight: 3, arbitrary: fc.tuple(fc.integer({ min: 1, max: 10 }), fc.uint8Array({ maxLength: 80 })).filter(([type]) => type !== FrameType.data).map(([type, payload]) => ({ bytes: frame(type, payload), isWhole: true, data: nothing })) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 0xffffff })).map(([type, length]) => ({ bytes: encodeHeader(type as FrameType, length), isWhole: false, data: nothing }) /* or what is none */) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 20 }).map(bytes => ({ bytes, isWhole: false, data: nothing })) },
)

/** How somebody between the two agents treats them. */
const treatment = fc.record({
  piece: fc.integer({ min: 1, max: 3000 }),
  what: fc.constantFrom('nothing', 'reset', 'fin', 'flip'),
  side: fc.constantFrom('client', 'server'),
  at: fc.oneof(fc.integer({ min: 0, max: 6000 }), fc.integer({ min: 0, max: 40_000 })),
})
type Treatment = typeof treatment extends fc.Arbitrary<infer T> ? T : never

function treating ({ piece, what, side, at }: Treatment): Tamper {
  const pass = inPiecesOf(piece)
  return async (bytes, from, to, before) => {
    const isHere = what !== 'nothing' && from === side && before.length <= at && at < before.length + bytes.length
    if (!isHere) { await pass(bytes, from, to, before); return }
    const until = at - before.length
    await pass(bytes.subarray(0, until), from, to, before)
    if (what === 'reset') return 'cut'
    if (what === 'fin') {
      to.end()
      // Streams wait for the end of a handshake until its time is over: the other side goes, too, once it may have seen the FIN.
      await Promise.race([new Promise<void>(resolve => { to.once('close', () => { resolve() }) }), later(100)])
      return 'cut'
    }
    const flipped = Buffer.from(bytes.subarray(until))
    flipped[0] = (flipped[0] ?? 0) ^ 0x20
    await pass(flipped, from, to, before)
  }
}

/** Runs `use` with each pair of transports, which are to have nothing left at its end. */
function withPairs (name: string, use: (near: Transport, far: Transport) => Promise<void>): void {
  for (const near of kinds) {
    for (const far of kinds) {
      t.test(`${name}: ${near} towards ${far}`, async t => withTransports(t, [near, far], use))
    }
  }
}

withPairs('a proven peer that sends anything', async (near, far) => {
  await using road = await openRoad(near, far, { near: 'encrypt', far: 'encrypt' })
  await fc.assert(fc.asyncProperty(fc.array(word, { maxLength: 20 }), fc.integer({ min: 1, max: 300 }), async (words, piece) => {
    using trip = await road.travel()
    const server = hear(trip.server)
    const said = Buffer.concat(words.map(({ bytes }) => bytes))
    for (let at = 0; at < said.length; at += piece) trip.near.session?.channel.send(said.subarray(at, at + piece))
    trip.client.resetAndDestroy()
    await inTime(server.ended, trip.near.ending, trip.far.ending)
    // Behind what is no whole frame anything may be a header: then it is enough that it ends.
    return words.some(({ isWhole }) => !isWhole) || isBeginning(server.bytes(), Buffer.concat(words.map(({ data }) => data)))
  }), { numRuns, endOnFailure: true })
})

async function treated (near: Transport, far: Transport, mode: RoadMode, how: Treatment, [up, down]: readonly [Buffer, Buffer]): Promise<boolean> {
  await using road: Road = await openRoad(near, far, mode, { tamper: treating(how), agreeMs })
  let trip: Trip
  try {
    trip = await road.travel()
  } catch {
    return how.what !== 'nothing' // it ended before there was anything to forward
  }
  using _trip = trip
  const [client, server] = [hear(trip.client), hear(trip.server)]
  trip.client.end(up)
  trip.server.end(down)
  await inTime(trip.near.ending, trip.far.ending, client.ended, server.ended)
  const [atServer, atClient] = [server.bytes(), client.bytes()]
  if (how.what === 'nothing') return atServer.equals(up) && atClient.equals(down)
  return isBeginning(atServer, up) && isBeginning(atClient, down)
}

const content = fc.uint8Array({ maxLength: 20_000 }).map(bytes => Buffer.from(bytes))
const contents = fc.tuple(content, content)

withPairs('any treatment on the way, under TLS', async (near, far) => {
  await fc.assert(fc.asyncProperty(treatment, contents, async (how, bytes) => treated(near, far, { near: 'encrypt', far: 'encrypt' }, how, bytes)), { numRuns, endOnFailure: true })
})

withPairs('any cut on the way, where both leave TLS', async (near, far) => {
  // What has left TLS is protected from nobody on the path: that is what the mode means.
  const cut = treatment.filter(({ what }) => what !== 'flip')
  await fc.assert(fc.asyncProperty(cut, contents, async (how, bytes) => treated(near, far, { near: 'authenticate', far: 'authenticate' }, how, bytes)), { numRuns, endOnFailure: true })
})
