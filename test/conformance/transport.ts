/**
 * What every transport promises, between every two of them.
 *
 * Run for each pair: the near one accepts the client application and dials, the far one accepts from the wire and
 * dials the server application. `encrypt` has TLS and frames between them, `plain` bare bytes.
 */

import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { FrameType, encodeFrame, encodeHeader } from '../../src/frames/index.ts'
import { Revocation } from '../../src/relay/index.ts'
import { socketAddress } from '../../src/model/address.ts'
import { Fd, Memory, accept, errnos, localAddressOf, openDialer, openListener, resetOnClose } from '../../src/sys/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { badTable, dial, listen, openRoad, partsOf, patience, roadParts, sayYes } from '../fixtures/road.ts'
import { leaving } from './leaving.ts'
import { endingOf, readAll } from '../fixtures/sockets.ts'
import { sendUrgent } from '../fixtures/urgent.ts'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import type { HandshakeParts, Session } from '../../src/handshake/index.ts'
import type { Svid } from '../../src/identity/index.ts'
import type { Pair } from './leaving.ts'
import type { Connection, Transport } from '../../src/relay/index.ts'
import type { Road, RoadMode, Trip } from '../fixtures/road.ts'

/** By what each end asks for; the stricter one has it. */
const modes = {
  'encrypt': { near: 'encrypt', far: 'encrypt' },
  'authenticate': { near: 'authenticate', far: 'authenticate' },
  'plain': 'plain',
} as const satisfies Record<string, RoadMode>
const sides = ['client', 'server'] as const

/** Adds the tests to `t`; `open` gives new transports, which the suite closes. */
export function transportConformance (t: Test, open: () => Pair): void {
  t.setTimeout(290_000) // some megabytes, twice encrypted, on whatever machine this is: the runner's limit is 300 s
  for (const [name, mode] of Object.entries(modes)) t.test(name, t => { forwarding(t, open, mode); t.end() })
  t.test('leaving TLS', t => { leaving(t, open, close); t.end() })
  t.test('handshake', t => { handshakes(t, open); t.end() })
}

/** A road with its transports, for one test. */
async function withRoad (open: () => Pair, mode: RoadMode, use: (road: Road) => Promise<void>): Promise<void> {
  const pair = open()
  {
    await using road = await openRoad(pair.near, pair.far, mode)
    await use(road)
  }
  await close(pair)
}

async function close ({ near, far }: Pair): Promise<void> {
  for (const transport of new Set([near, far])) await transport.close()
}

function sockets (trip: Trip, first: typeof sides[number]): readonly [Socket, Socket] {
  return first === 'client' ? [trip.client, trip.server] : [trip.server, trip.client]
}

const digest = (bytes: Buffer): string => `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`

function forwarding (t: Test, open: () => Pair, mode: RoadMode): void {
  t.test('the end of one direction leaves the other open', async t => {
    await withRoad(open, mode, async road => {
      for (const first of sides) {
        using trip = await road.travel()
        const [one, other] = sockets(trip, first)
        one.end('question')
        t.equal((await readAll(other)).toString(), 'question')
        other.end('answer')
        t.equal((await readAll(one)).toString(), 'answer')
        const moved = first === 'client' ? { client: 8, server: 6 } : { client: 6, server: 8 }
        for (const toll of [trip.near, trip.far]) {
          t.same(await toll.ending, { kind: 'completed' })
          t.same(toll.moved, moved)
        }
      }
    })
  })

  t.test('a connection without a byte ends as one with bytes', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      trip.client.end()
      t.equal((await readAll(trip.server)).length, 0)
      trip.server.end()
      t.equal((await readAll(trip.client)).length, 0)
      for (const toll of [trip.near, trip.far]) t.same(await toll.ending, { kind: 'completed' })
    })
  })

  t.test('bytes that come before the verdict are kept, and so is the end behind them', async t => {
    await withRoad(open, mode, async road => {
      for (let i = 0; i < 60; i++) {
        using trip = await road.travel('early')
        t.equal((await readAll(trip.server)).toString(), 'early')
        trip.server.end('late')
        t.equal((await readAll(trip.client)).toString(), 'late')
      }
    })
  })

  t.test('a reset of one application is a reset of the other', async t => {
    await withRoad(open, mode, async road => {
      for (const first of sides) {
        using trip = await road.travel()
        const [one, other] = sockets(trip, first)
        other.write('x')
        await eventually(() => one.resume().bytesRead === 1)
        const seen = endingOf(other)
        one.resetAndDestroy()
        t.equal(await seen, 'ECONNRESET')
        for (const toll of [trip.near, trip.far]) t.match(await toll.ending, { kind: 'aborted', by: first })
      }
    })
  })

  t.test('a reset is heard while the other application does not read', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      trip.client.write(randomBytes(16 * 1024 * 1024))
      await eventually(() => trip.far.moved.client > 0)
      const seen = endingOf(trip.client)
      trip.server.resetAndDestroy()
      t.match(await seen, /ECONNRESET|EPIPE/)
      for (const toll of [trip.near, trip.far]) t.match(await toll.ending, { kind: 'aborted', by: 'server' })
    })
  })

  t.test('a reset after the end of the other direction is heard', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      trip.client.end('last')
      t.equal((await readAll(trip.server)).toString(), 'last')
      const seen = endingOf(trip.client)
      trip.server.write('x')
      trip.server.resetAndDestroy()
      t.equal(await seen, 'ECONNRESET')
      for (const toll of [trip.near, trip.far]) t.match(await toll.ending, { kind: 'aborted', by: 'server' })
    })
  })

  t.test('bytes arrive whole and in order, both ways at once', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      const [up, down] = [randomBytes(12 * 1024 * 1024 + 1), randomBytes(9 * 1024 * 1024 + 7)]
      const received = Promise.all([readAll(trip.server), readAll(trip.client)])
      trip.client.end(up)
      trip.server.end(down)
      t.same((await received).map(digest), [up, down].map(digest))
      for (const toll of [trip.near, trip.far]) {
        t.same(await toll.ending, { kind: 'completed' })
        t.same(toll.moved, { client: up.length, server: down.length })
      }
    })
  })

  t.test('urgent data are bytes like all others, and stop nothing', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      const received = readAll(trip.server)
      const said: Buffer[] = []
      const say = async (bytes: Buffer): Promise<void> => {
        said.push(bytes)
        await new Promise<void>(resolve => { trip.client.write(bytes, () => { resolve() }) })
      }
      for (let i = 0; i < 200; i++) {
        // Large ones are spliced where they can be.
        const before = say(randomBytes(i % 20 === 0 ? 300_000 : 3))
        if (i % 20 === 0) await before
        if (sendUrgent(trip.client, i)) said.push(Buffer.of(i))
        await say(Buffer.from('after'))
        const sum = said.reduce((sum, { length }) => sum + length, 0)
        await eventually(() => trip.server.bytesRead === sum, 60_000)
      }
      trip.client.end()
      trip.server.end()
      t.equal(digest(await received), digest(Buffer.concat(said)))
    })
  })

  t.test('many small messages go back and forth', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      trip.server.on('data', bytes => { trip.server.write(bytes) }).resume()
      let heard = ''
      trip.client.on('data', bytes => { heard += bytes.toString() }).resume()
      for (let i = 0; i < 200; i++) {
        const said = heard + String(i)
        trip.client.write(String(i))
        await new Promise<void>(resolve => { const look = (): void => { if (heard === said) resolve(); else trip.client.once('data', look) }; look() })
      }
      t.equal(heard, Array.from({ length: 200 }, (_, i) => i).join(''))
    })
  })

  t.test('a reader that does not read stops the writer, and gets everything later', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      // Three connections lie on the way, each with up to tcp_rmem[2] and tcp_wmem[2] (32 and 4 MiB) in the kernel.
      const payload = Buffer.alloc(160 * 1024 * 1024, randomBytes(1024 * 1021))
      trip.client.end(payload)
      let before = -1
      await eventually(() => {
        const still = trip.near.moved.client === before && before > 0
        before = trip.near.moved.client
        return still
      })
      t.ok(trip.near.moved.client < 0.8 * payload.length, `${trip.near.moved.client} bytes were taken before the reader read`)
      trip.server.end()
      t.equal(digest(await readAll(trip.server)), digest(payload))
      trip.client.resume()
      for (const toll of [trip.near, trip.far]) t.same(await toll.ending, { kind: 'completed' })
    })
  })

  t.test('what was passed on arrives, though the reader takes longer than an agent stays', async t => {
    await withRoad(open, mode, async road => {
      using trip = await road.travel()
      const payload = Buffer.alloc(48 * 1024 * 1024, randomBytes(1024 * 1021))
      trip.client.end()
      trip.server.end(payload)
      trip.server.resume()
      let isOver = false
      void trip.far.ending.then(() => { isOver = true })
      // So slowly that everything on the way is full when the far agent has passed on the last byte.
      const received: Buffer[] = []
      await eventually(() => {
        const piece = trip.client.read() as Buffer | null // no encoding is set
        if (piece !== null) received.push(piece)
        return isOver
      }, 60_000)
      await new Promise(resolve => { setTimeout(resolve, 1500) }) // a polite end takes at most a second
      received.push(await readAll(trip.client))
      t.equal(digest(Buffer.concat(received)), digest(payload))
      for (const toll of [trip.near, trip.far]) t.same(await toll.ending, { kind: 'completed' })
    })
  })

  t.test('a slow reader slows nobody else', async t => {
    await withRoad(open, mode, async road => {
      using slow = await road.travel()
      slow.client.end(randomBytes(32 * 1024 * 1024))
      await eventually(() => slow.near.moved.client > 0)
      using quick = await road.travel()
      quick.client.end('question')
      t.equal((await readAll(quick.server)).toString(), 'question')
    })
  })

  t.test('revoking resets both applications, also while one of them is slow', async t => {
    for (const by of ['near', 'far'] as const) {
      await withRoad(open, mode, async road => {
        using trip = await road.travel()
        trip.client.write(randomBytes(16 * 1024 * 1024))
        await eventually(() => trip.far.moved.client > 0)
        const seen = endingOf(trip.client)
        const revocation = new Revocation('policy-changed', 'why')
        trip[by].revoker.revoke(revocation)
        t.same(await trip[by].ending, { kind: 'revoked', revocation })
        t.match(await seen, /ECONNRESET|EPIPE/)
        trip.server.resume() // streams that wait for a reader hear nothing from the other side either
        t.match(await trip[by === 'near' ? 'far' : 'near'].ending, { kind: 'aborted' })
      })
    }
  })

  t.test('the other agent is told why a connection was revoked', async t => {
    if (mode !== modes.encrypt) { t.pass('there is no place to tell it'); return }
    await withRoad(open, mode, async road => {
      for (const [by, other, side] of [['near', 'far', 'client'], ['far', 'near', 'server']] as const) {
        using trip = await road.travel()
        trip.client.resume()
        trip.server.resume()
        trip[by].revoker.revoke(new Revocation('policy-changed', 'why'))
        t.same(await trip[other].ending, { kind: 'aborted', by: side, abort: { kind: 'told', reason: 'policy-changed', detail: 'why' } })
      }
    })
  })

  t.test('many connections at once, each with its own bytes', async t => {
    await withRoad(open, mode, async road => {
      const payloads = Array.from({ length: 40 }, () => ({ up: randomBytes(70_000), down: randomBytes(50_000) }))
      const trips = await Promise.all(payloads.map(async payload => ({ ...payload, ...await road.travel() })))
      // They arrive in whatever order, so which client belongs to which server is not known here.
      const received = Promise.all(trips.map(async ({ client, server }) => await Promise.all([readAll(server), readAll(client)])))
      for (const { client, server, up, down } of trips) { client.end(up); server.end(down) }
      const [atServers, atClients] = [(await received).map(([bytes]) => digest(bytes)), (await received).map(([, bytes]) => digest(bytes))]
      t.same(atServers.sort(), payloads.map(({ up }) => digest(up)).sort())
      t.same(atClients.sort(), payloads.map(({ down }) => digest(down)).sort())
      for (const trip of trips) trip[Symbol.dispose]()
    })
  })
}

function handshakes (t: Test, open: () => Pair): void {
  t.test('both ends prove each other and name the flow alike', async t => {
    await withRoad(open, modes.encrypt, async road => {
      using trip = await road.travel()
      const [near, far] = [trip.near.session, trip.far.session]
      t.equal(near?.peer.identity.attributes.name, 'web-0')
      t.equal(far?.peer.identity.attributes.name, 'front')
      t.match(near?.flowId, /^[0-9a-f]{32}$/)
      t.equal(near?.flowId, far?.flowId)
    })
  })

  t.test('certificates that nobody may accept are refused at either end, and the other end hears why', async t => {
    const pair = open()
    for (const { name, code, svid } of badTable) {
      for (const bad of sides) {
        const ended = await shake(pair, bad === 'client' ? { ...roadParts, client: partsOf(svid) } : { ...roadParts, server: partsOf(svid) })
        const [judge, judged] = bad === 'client' ? [ended.far, ended.near] : [ended.near, ended.far]
        t.match(judge, { code: 'peer-untrusted', detail: code }, `${name} of the ${bad}`)
        // A server has greeted by then, and a client has not.
        t.match(judged, bad === 'client' ? { accepted: false, decidedBy: 'identity' } : { code: 'refused-by-peer' }, `${name} of the ${bad}: told`)
      }
    }
    await close(pair)
  })

  t.test('a dial that is refused says so', async t => {
    const pair = open()
    const gone = await listen(pair.far, async () => {}, () => {})
    await gone.listening.close()
    const failed = Promise.withResolvers<unknown>()
    const { port, listening } = await listen(pair.near, async connection => {
      failed.resolve(await dial(pair.near, gone.port, connection).catch((error: unknown) => error))
      connection.reset()
    }, failed.reject)
    const client = connect(port, '127.0.0.1')
    t.equal(await endingOf(client), 'ECONNRESET')
    t.match(await failed.promise, { code: 'ECONNREFUSED' })
    await listening.close()
    await close(pair)
  })

  t.test('a server that resets before the dial is looked at ends the dial, or the handshake', async t => {
    const pair = open()
    using server = openListener({ address: socketAddress('127.0.0.1', 0) })
    const outcome = Promise.withResolvers<unknown>()
    const { port, listening } = await listen(pair.near, async connection => {
      const dialling = dial(pair.near, localAddressOf(server.number).port, connection)
      await Promise.resolve() // the order to a thread leaves now
      resetOne(server)
      outcome.resolve(await dialling.then(wire => pair.near.secureOutbound(wire, roadParts.client, patience())).catch((error: unknown) => error))
      connection.reset()
    }, outcome.reject)
    const client = connect(port, '127.0.0.1')
    client.on('error', () => {})
    t.match(await outcome.promise, resetAtOnce)
    await listening.close()
    await close(pair)
  })

  t.test('silence ends with the deadline, and a dial with its signal', async t => {
    const pair = open()
    const reason = new Error('time is up')
    const quick = (): AbortSignal => {
      const controller = new AbortController()
      setImmediate(() => { controller.abort(reason) })
      return controller.signal
    }
    const outcomes: Promise<unknown>[] = []
    const { port, listening } = await listen(pair.near, async connection => {
      const dialled = pair.near.dial(openDialer({ family: 4 }), socketAddress('192.0.2.1', 9), { signal: quick(), beside: connection })
      outcomes.push(dialled.catch((error: unknown) => error))
      await outcomes[0]
      outcomes.push(pair.near.secureInbound(connection, roadParts.server, quick()).catch((error: unknown) => error))
    }, error => { outcomes.push(Promise.reject(error)) })
    const client = connect(port, '127.0.0.1')
    client.on('error', () => {})
    await new Promise(resolve => { client.once('close', resolve).resume() })
    // Where the machine has no route at all the dial fails at once, which is as good.
    const dialled = await outcomes[0]
    t.ok(dialled === reason || dialled instanceof Error)
    t.equal(await outcomes[1], reason)
    await listening.close()
    await close(pair)
  })

  t.test('a certificate that is a moment away is waited for, and one that does not come ends the handshake', async t => {
    const pair = open()
    const later = Promise.withResolvers<Svid>()
    const waiting = (ready: (signal: AbortSignal) => Promise<Svid>): HandshakeParts => ({ ...roadParts.server, svids: { ...roadParts.server.svids, current: () => undefined, ready } })
    const shaking = shake(pair, { ...roadParts, server: waiting(() => later.promise) })
    later.resolve(await roadParts.server.svids.ready(patience()))
    for (const end of Object.values(await shaking)) t.notMatch(end, { code: 'no-identity' })
    const ended = await shake(pair, { ...roadParts, server: waiting(() => Promise.reject(new Error('none'))) })
    t.match(ended.far, { code: 'no-identity' })
    t.match(ended.near, resetAtOnce)
    await close(pair)
  })

  t.test('garbage instead of TLS is a failed handshake', async t => {
    const pair = open()
    const failed = Promise.withResolvers<unknown>()
    const { port, listening } = await listen(pair.far, async connection => {
      failed.resolve(await pair.far.secureInbound(connection, roadParts.server, patience()).catch((error: unknown) => error))
    }, failed.reject)
    const client = connect(port, '127.0.0.1')
    client.on('error', () => {})
    client.write('GET / HTTP/1.1\r\n\r\n')
    t.match(await failed.promise, { code: 'handshake-failed' })
    await listening.close()
    await close(pair)
  })

  for (const [name, bytes] of [
    ['an unknown frame', encodeHeader(9 as FrameType, 0)],
    ['data before the greeting', Buffer.concat([encodeHeader(FrameType.data, 10), Buffer.alloc(10)])],
    ['a greeting that is too long', encodeHeader(FrameType.greeting, 65)],
    ['a malformed greeting', encodeFrame(FrameType.greeting, new Uint8Array(3))],
    ['an end before the greeting', encodeFrame(FrameType.end, new Uint8Array(1))],
  ] as const) {
    t.test(`a proven peer that sends ${name} is cut off`, async t => {
      const pair = open()
      const { near, far } = await meet(pair)
      near.channel.send(bytes)
      await t.rejects(far.greeted(), { name: 'HandshakeError', code: 'protocol-error' })
      near[Symbol.dispose]()
      far[Symbol.dispose]()
      await close(pair)
    })
  }

  t.test('a proven peer that is gone before it has said a word is noticed', async t => {
    const pair = open()
    for (const gone of ['near', 'far'] as const) {
      const met = await meet(pair)
      met[gone][Symbol.dispose]()
      const left = gone === 'near' ? met.far : met.near
      await t.rejects(left.greeted().then(() => left.told())) // a server has greeted all the same
      left[Symbol.dispose]()
    }
    await close(pair)
  })

  t.test('a proven peer that sends one certificate after the other is cut off; one now and then is looked at', async t => {
    await withRoad(open, modes.encrypt, async road => {
      using trip = await road.travel()
      const { near: { session } } = trip
      const renewed = new Promise<void>(resolve => { trip.far.session?.renewed.on(() => { resolve() }) })
      session?.renew(roadParts.client.svids.current() as Svid) // the road's are always there
      await renewed
      const seen = endingOf(trip.server.resume())
      for (let i = 0; i < 100; i++) session?.renew(roadParts.client.svids.current() as Svid) // as above
      t.equal(await seen, 'ECONNRESET')
      t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
    })
  })

  for (const [name, bytes] of [
    ['a malformed reset', encodeFrame(FrameType.reset, new Uint8Array(0))],
    ['a malformed end', encodeFrame(FrameType.end, new Uint8Array(0))],
    ['a malformed verdict', encodeFrame(FrameType.verdict, new Uint8Array(1))],
    ['a malformed certificate', encodeFrame(FrameType.certificate, new Uint8Array(1))],
    ['a second greeting', encodeFrame(FrameType.greeting, new Uint8Array(20))],
    ['a frame of no type', encodeHeader(9 as FrameType, 0)],
  ] as const) {
    t.test(`a proven peer that sends ${name} among the bytes is cut off, and the application hears it`, async t => {
      await withRoad(open, modes.encrypt, async road => {
        using trip = await road.travel()
        trip.client.write('half')
        await eventually(() => trip.server.resume().bytesRead === 4)
        const seen = endingOf(trip.server)
        trip.near.session?.channel.send(bytes)
        t.equal(await seen, 'ECONNRESET')
        t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
      })
    })
  }

  t.test('a connection that is cut without an end is a truncation, not an end', async t => {
    await withRoad(open, modes.encrypt, async road => {
      using trip = await road.travel()
      trip.client.write('half')
      await eventually(() => trip.server.resume().bytesRead === 4)
      const seen = endingOf(trip.server)
      // The session is cut under the road's feet, as by somebody on the wire.
      trip.near.session?.channel.send(encodeHeader(FrameType.data, 100))
      trip.client.resetAndDestroy()
      t.equal(await seen, 'ECONNRESET')
      t.match(await trip.far.ending, { kind: 'aborted', by: 'client' })
    })
  })
}

/**
 * What becomes of a connection that its server resets right away. Which of the two it is depends on who looks first:
 * a dial that was never seen to be connected has failed.
 */
const resetAtOnce = { code: /^(ECONNRESET|handshake-failed)$/ }

/** Accepts one connection and resets it, without giving this thread's event loop a turn. */
function resetOne (listener: Fd): void {
  const [address, length] = [new Memory(28), new Memory(4)]
  for (;;) {
    length.bytes[0] = address.length
    const accepted = accept(listener.number, address.address, length.address)
    if (accepted === -errnos.EAGAIN) continue
    using connection = new Fd(accepted)
    resetOnClose(connection.number)
    return
  }
}

/** How a handshake between two ends came out, at each: greetings are exchanged, and the server's verdict, so that a refusal is heard. */
async function shake (pair: Pair, parts: typeof roadParts): Promise<{ near: unknown, far: unknown }> {
  const far = Promise.withResolvers<unknown>()
  const near = Promise.withResolvers<unknown>()
  const outcome = async (secure: () => Promise<Session>, talk: (session: Session) => Promise<unknown>): Promise<unknown> => {
    try {
      using proven = await secure()
      return await talk(proven)
    } catch (error) {
      return error
    }
  }
  const hearVerdict = async (session: Session): Promise<unknown> => {
    await session.greeted()
    session.greet(socketAddress('192.0.2.1', 80))
    return await session.told()
  }
  const sayVerdict = async (session: Session): Promise<unknown> => {
    const dialled = await session.greeted()
    sayYes(session)
    await session.close()
    return dialled
  }
  const inbound = await listen(pair.far, async connection => { far.resolve(await outcome(() => pair.far.secureInbound(connection, parts.server, patience()), sayVerdict)) }, far.reject)
  const outbound = await listen(pair.near, async connection => {
    near.resolve(await outcome(async () => await pair.near.secureOutbound(await dial(pair.near, inbound.port, connection), parts.client, patience()), hearVerdict))
    connection.reset()
  }, near.reject)
  const client = connect(outbound.port, '127.0.0.1')
  client.on('error', () => {})
  const ended = { near: await near.promise, far: await far.promise }
  client.destroy()
  await Promise.all([inbound.listening.close(), outbound.listening.close()])
  return ended
}

/** Two proven ends that have said nothing yet. */
async function meet (pair: Pair): Promise<{ near: Session, far: Session }> {
  const far = Promise.withResolvers<Session>()
  const near = Promise.withResolvers<Session>()
  const inbound = await listen(pair.far, async connection => { far.resolve(await pair.far.secureInbound(connection, roadParts.server, patience())) }, far.reject)
  const kept: Connection[] = []
  const outbound = await listen(pair.near, async connection => {
    kept.push(connection)
    near.resolve(await pair.near.secureOutbound(await dial(pair.near, inbound.port, connection), roadParts.client, patience()))
  }, near.reject)
  const client = connect(outbound.port, '127.0.0.1')
  client.on('error', () => {})
  const met = { near: await near.promise, far: await far.promise }
  for (const connection of kept) connection.reset()
  await Promise.all([inbound.listening.close(), outbound.listening.close()])
  return met
}
