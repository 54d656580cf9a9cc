/**
 * What every transport promises of leaving TLS, between every two of them: exactly where both ends ask for it, no byte
 * lost or read twice at the seam, and nobody on the path can pass for an end that leaves.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { FrameType, encodeHeader, encodeLeave } from '../../src/frames/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { openRoad } from '../fixtures/road.ts'
import { endingOf, readAll } from '../fixtures/sockets.ts'
import { inPiecesOf, recordBytes, recordsIn } from '../fixtures/between.ts'
import type { Test } from 'tap'
import type { SecureMode } from '../../src/model/mode.ts'
import type { Transport } from '../../src/relay/index.ts'
import type { Road } from '../fixtures/road.ts'
import type { Tamper } from '../fixtures/between.ts'

export interface Pair {
  readonly near: Transport
  readonly far: Transport
}

const both = { near: 'authenticate', far: 'authenticate' } as const
const asked = ['encrypt', 'authenticate'] as const

/** Whether a connection comes to leave TLS. */
function leaves ({ near, far }: Pair, ask: { readonly near: SecureMode, readonly far: SecureMode } = both): boolean {
  return near.leavesTls && far.leavesTls && ask.near === 'authenticate' && ask.far === 'authenticate'
}

/** One road with somebody on it who does `tamper`. */
async function watched (pair: Pair, ask: { readonly near: SecureMode, readonly far: SecureMode }, tamper: Tamper, use: (road: Road) => Promise<void>): Promise<void> {
  await using road = await openRoad(pair.near, pair.far, ask, { tamper })
  await use(road)
}

const passOn: Tamper = (bytes, _from, to) => { to.write(bytes) }

/** Adds the tests to `t`; `open` gives new transports, which are closed with `close`. */
export function leaving (t: Test, open: () => Pair, close: (pair: Pair) => Promise<void>): void {
  t.test('bytes are bare on the way where both ends ask for it, and nowhere else', async t => {
    const pair = open()
    for (const near of asked) {
      for (const far of asked) {
        const bare = leaves(pair, { near, far })
        await watched(pair, { near, far }, passOn, async road => {
          using trip = await road.travel()
          // The first words may still be under TLS: the verdicts are on their way.
          trip.server.write('hello from the server')
          await once(trip.client.resume(), 'data')
          // The verdict comes to a thread, and the data behind it may be with the client before the verdict is with us.
          await eventually(() => trip.near.session?.mode === (bare ? 'authenticate' : 'encrypt'))
          t.pass(`${near} and ${far}`)
          trip.client.end('what the client has to say')
          t.equal((await readAll(trip.server)).toString(), 'what the client has to say')
          trip.server.end('what the server has to say')
          await readAll(trip.client)
          for (const side of ['client', 'server'] as const) t.equal(road.seen[side].includes(`what the ${side} has to say`), bare, `the ${side}'s words`)
          for (const toll of [trip.near, trip.far]) t.same(await toll.ending, { kind: 'completed' })
        })
      }
    }
    await close(pair)
  })

  for (const size of [1, 7, 23, 500]) {
    t.test(`nothing is lost at the seam, with ${size} bytes at a time`, async t => {
      const pair = open()
      await watched(pair, both, inPiecesOf(size), async road => {
        for (const early of [undefined, 'said before any verdict, with the end behind it']) {
          using trip = await road.travel(early)
          const [up, down] = [early ?? randomBytes(size * 300), randomBytes(size * 300)]
          if (early === undefined) trip.client.end(up)
          trip.server.end(down)
          const [atServer, atClient] = await Promise.all([readAll(trip.server), readAll(trip.client)])
          t.ok(atServer.equals(Buffer.from(up)), 'towards the server')
          t.ok(atClient.equals(down), 'towards the client')
          for (const toll of [trip.near, trip.far]) {
            t.same(await toll.ending, { kind: 'completed' })
            t.same(toll.moved, { client: up.length, server: down.length })
          }
        }
      })
      await close(pair)
    })
  }

  t.test('a reset at any moment after the first word is a reset at the other end', async t => {
    const pair = open()
    await watched(pair, both, passOn, async road => {
      for (const first of ['client', 'server'] as const) {
        for (let i = 0; i < 10; i++) {
          using trip = await road.travel()
          const other = first === 'client' ? trip.server : trip.client
          const seen = endingOf(other)
          trip[first].write('x')
          for (let j = 0; j < i; j++) await new Promise(resolve => { setImmediate(resolve) })
          trip[first].resetAndDestroy()
          t.equal(await seen, 'ECONNRESET')
          for (const toll of [trip.near, trip.far]) t.match(await toll.ending, { kind: 'aborted', by: first })
        }
      }
    })
    await close(pair)
  })

  t.test('a FIN between leave and close_notify is a truncation', async t => {
    const pair = open()
    const cut: Tamper = (bytes, _from, to, before) => {
      const all = Buffer.concat([before, bytes])
      const at = endOfLeave(all)
      if (at === undefined) { to.write(bytes); return }
      to.write(all.subarray(before.length, at))
      to.end()
    }
    if (leaves(pair)) {
      await watched(pair, both, (bytes, from, to, before) => from === 'client' ? cut(bytes, from, to, before) : passOn(bytes, from, to, before), async road => {
        using trip = await road.travel()
        t.equal(await endingOf(trip.server), 'ECONNRESET')
        t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
      })
    } else {
      t.pass('these transports do not leave')
    }
    await close(pair)
  })

  t.test('bare bytes in the place of close_notify are none of the application', async t => {
    const pair = open()
    if (leaves(pair)) {
      await watched(pair, both, (bytes, from, to, before) => {
        const all = Buffer.concat([before, bytes])
        const at = from === 'client' ? endOfLeave(all) : undefined
        if (at === undefined) { to.write(bytes); return }
        to.write(Buffer.concat([all.subarray(before.length, at), Buffer.from('GET / HTTP/1.1\r\n\r\n')]))
      }, async road => {
        using trip = await road.travel()
        const got = readAll(trip.server)
        await t.rejects(got, { code: 'ECONNRESET' })
        t.equal(trip.server.bytesRead, 0)
        t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
      })
    } else {
      t.pass('these transports do not leave')
    }
    await close(pair)
  })

  t.test('a leave frame that nobody has agreed to, or that is malformed, is an abort', async t => {
    const pair = open()
    for (const bytes of [encodeLeave(), encodeHeader(FrameType.leave, 1)]) {
      await watched(pair, { near: 'authenticate', far: 'encrypt' }, passOn, async road => {
        using trip = await road.travel()
        const seen = endingOf(trip.server)
        trip.near.session?.channel.send(bytes)
        t.equal(await seen, 'ECONNRESET')
        t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
      })
    }
    await close(pair)
  })

  t.test('a big transfer crosses the seam whole, both ways at once', async t => {
    const pair = open()
    {
      await using road = await openRoad(pair.near, pair.far, both)
      using trip = await road.travel()
      const [up, down] = [randomBytes(24 * 1024 * 1024 + 3), randomBytes(17 * 1024 * 1024 + 5)]
      trip.client.end(up)
      trip.server.end(down)
      const [atServer, atClient] = await Promise.all([readAll(trip.server), readAll(trip.client)])
      t.ok(atServer.equals(up))
      t.ok(atClient.equals(down))
      for (const toll of [trip.near, trip.far]) t.same(await toll.ending, { kind: 'completed' })
    }
    await close(pair)
  })
}

/** Where the record of a leave frame ends, as soon as the record behind it is there too. */
function endOfLeave (bytes: Buffer): number | undefined {
  const lengths = recordsIn(bytes)
  const i = lengths.findIndex((length, i) => length === recordBytes.leave && lengths[i + 1] === recordBytes.alert)
  return i === -1 ? undefined : lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0)
}
