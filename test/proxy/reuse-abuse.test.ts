/** What a proven client gets that breaks the rules of one connection after another: nothing, and never another connection. */

import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { FrameType, encodeEnd, encodeGreeting, encodeHeader, encodeVerdict, flowIdOf } from '../../src/frames/index.ts'
import { secureOutbound } from '../../src/handshake/index.ts'
import { socketAddress } from '../../src/model/address.ts'
import { eventually } from '../fixtures/eventually.ts'
import { openTransport } from '../fixtures/transports.ts'
import { openWorld } from '../fixtures/world.ts'
import type { Test } from 'tap'
import type { FrameChannel, Session } from '../../src/handshake/index.ts'
import type { World, WorldOptions } from '../fixtures/world.ts'
import type { Kind } from '../fixtures/transports.ts'

t.setTimeout(300_000)

const dialled = socketAddress('192.0.2.1', 80)
const accepting = encodeVerdict({ accepted: true, mode: 'encrypt', decidedBy: '', reason: '' })
const ourEnd = encodeEnd(false)

/** How the server's agent moves bytes. */
interface Way {
  readonly kind: Kind
  readonly lends: boolean
}

/** A client's agent that we play by hand, and the number of applications that the server has reached. */
interface Played extends AsyncDisposable {
  readonly world: World
  readonly session: Session<FrameChannel>
  /** What the TLS exporter gave. */
  readonly first: Uint8Array
  readonly reached: () => number
  say (...frames: readonly Uint8Array[]): void
  /** One whole connection without a byte. */
  carry (use: number): Promise<void>
}

async function play (t: Test, { kind, lends }: Way, options: WorldOptions = {}): Promise<Played> {
  const world = await openWorld({ ...options, lends, transports: { client: openTransport(t, 'streams'), server: openTransport(t, kind) } })
  let reached = 0
  await world.serve(socket => { reached++; socket.pipe(socket) })
  const socket = connect(world.server.inboundPort, '127.0.0.1')
  await once(socket, 'connect')
  const session = await secureOutbound(socket, world.client.pod.handshake, AbortSignal.timeout(10_000))
  const first = Buffer.from(session.flowId, 'hex')
  const say = (...frames: readonly Uint8Array[]): void => { session.channel.send(Buffer.concat(frames)) }
  return {
    world, session, first, reached: () => reached, say,
    async carry (use) {
      say(greeting(first, use), accepting, ourEnd)
      for (const type of [FrameType.greeting, FrameType.verdict, FrameType.end] as const) await session.channel.next(type)
    },
    async [Symbol.asyncDispose] () {
      session[Symbol.dispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

function greeting (first: Uint8Array, use: number, address = dialled): Uint8Array {
  return encodeGreeting({ role: 'client', flowId: flowIdOf(first, use), address })
}

/** The server has ended the session, and nothing of it is left there. */
async function ended ({ session, world }: Played): Promise<void> {
  await new Promise<void>(resolve => {
    const look = (): void => { session.channel.listen(type => { if (type === undefined) resolve(); else session.channel.next(FrameType.goingAway).catch(() => {}).finally(look) }) }
    look()
  })
  await eventually(() => world.server.node.idle.counts.inbound === 0 && world.server.node.registry.size === 0 && world.server.pod.places.taken === 0)
}

const ways: readonly Way[] = [{ kind: 'streams', lends: false }, { kind: 'native', lends: false }, { kind: 'native', lends: true }]

for (const way of ways) {
  t.test(`${way.kind}${way.lends ? ', sessions lent' : ''}`, async t => {
    t.test('who keeps the rules is carried', async t => {
      await using played = await play(t, way)
      for (let use = 1; use <= 5; use++) await played.carry(use)
      const { world } = played
      await eventually(() => world.server.records().length === 5)
      t.equal(new Set(world.server.records().map(({ flow }) => flow)).size, 5)
      t.equal(played.reached(), 5)
    })

    for (const [name, before] of [['has ended', []], ['the server has ended', [ourEnd]]] as const) {
      t.test(`a connection that begins before the last one ${name} breaks both`, async t => {
        await using played = await play(t, way)
        const { world, say, first } = played
        await world.serve(socket => { socket.on('data', () => {}) }) // it never ends
        say(greeting(first, 1), accepting, ...before)
        await eventually(() => world.server.node.registry.size === 1)
        say(greeting(first, 2), accepting)
        await ended(played)
        t.match(world.server.records(), [{ outcome: /^reset-by-client$/ }])
      })
    }

    for (const [name, frame] of [
      ['the flow id of the last one', (first: Uint8Array) => greeting(first, 1)],
      ['the flow id of the one after', (first: Uint8Array) => greeting(first, 3)],
      ['another destination', (first: Uint8Array) => greeting(first, 2, socketAddress('192.0.2.2', 80))],
    ] as const) {
      t.test(`a connection that begins with ${name} is refused`, async t => {
        await using played = await play(t, way)
        const { world, say, first, carry, reached } = played
        await carry(1)
        say(frame(first), accepting)
        await ended(played)
        t.match(world.server.records(), [{ outcome: 'completed' }, { outcome: 'protocol-error', verdict: 'undecided', source: { name: 'client' } }])
        t.equal(reached(), 1)
      })
    }

    for (const [name, frame] of [
      ['data', Buffer.concat([encodeHeader(FrameType.data, 3), Buffer.from('abc')])],
      ['an end', ourEnd],
      ['a verdict', accepting],
      ['an unknown frame', encodeHeader(99 as FrameType, 0)],
    ] as const) {
      t.test(`${name} between two connections ends the session without a record`, async t => {
        await using played = await play(t, way)
        await played.carry(1)
        played.say(frame)
        await ended(played)
        t.match(played.world.server.records(), [{ outcome: 'completed' }])
        t.equal(played.world.server.records().length, 1)
        t.equal(played.reached(), 1)
      })
    }

    t.test('more connections than are allowed are not carried', async t => {
      await using played = await play(t, way, { reuse: { uses: 1 } })
      await played.carry(1)
      await played.carry(2)
      played.say(greeting(played.first, 3), accepting)
      await ended(played)
      t.equal(played.world.server.records().length, 2)
      t.equal(played.reached(), 2)
    })

    t.test('a connection that begins and says no verdict ends with the time for it', async t => {
      await using played = await play(t, way, { handshakeMs: 2000 })
      await played.carry(1)
      played.say(greeting(played.first, 2))
      await ended(played)
      t.match(played.world.server.records(), [{ outcome: 'completed' }, { outcome: 'handshake-timeout' }])
      t.equal(played.reached(), 1)
    })
    t.end()
  })
}
