import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { Revocation, Revoker } from '../../src/relay/index.ts'
import { join } from '../../src/relay/streams/join.ts'
import { SocketLeg } from '../../src/relay/streams/socket-leg.ts'
import { eventually } from '../fixtures/eventually.ts'
import { endingOf, readAll, socketPair } from '../fixtures/sockets.ts'
import type { Socket } from 'node:net'
import type { Ending } from '../../src/relay/index.ts'

interface Joined extends Disposable {
  readonly client: Socket
  readonly server: Socket
  readonly ending: Promise<Ending>
  readonly moved: { client: number, server: number }
  readonly revoker: Revoker
}

/** client <-> [relay] <-> server */
async function joined (): Promise<Joined> {
  const left = await socketPair()
  const right = await socketPair()
  const moved = { client: 0, server: 0 }
  const revoker = new Revoker()
  const ending = join(new SocketLeg(left.server), new SocketLeg(right.server), (from, bytes) => { moved[from] += bytes }, revoker)
  return { client: left.client, server: right.client, ending, moved, revoker, [Symbol.dispose]: () => { left[Symbol.dispose](); right[Symbol.dispose]() } }
}

t.test('the end of one direction leaves the other open', async t => {
  for (const first of ['client', 'server'] as const) {
    using pair = await joined()
    const [one, other] = first === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
    one.end('question')
    t.equal((await readAll(other)).toString(), 'question')
    other.end('answer')
    t.equal((await readAll(one)).toString(), 'answer')
    t.same(await pair.ending, { kind: 'completed' })
    t.same(pair.moved, first === 'client' ? { client: 8, server: 6 } : { client: 6, server: 8 })
  }
})

t.test('a reset of one end is a reset of the other', async t => {
  for (const by of ['client', 'server'] as const) {
    using pair = await joined()
    const [one, other] = by === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
    other.write('x')
    await eventually(() => pair.moved[by === 'client' ? 'server' : 'client'] === 1)
    const seen = endingOf(other)
    one.resetAndDestroy()
    t.equal(await seen, 'ECONNRESET')
    t.match(await pair.ending, { kind: 'aborted', by, abort: { kind: 'reset' } })
  }
})

t.test('bytes arrive whole and in order, both ways at once', async t => {
  using pair = await joined()
  const payload = randomBytes(24 * 1024 * 1024)
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const received = Promise.all([readAll(pair.client), readAll(pair.server)])
  pair.client.end(payload)
  pair.server.end(payload)
  for (const bytes of await received) t.equal(digest(bytes), digest(payload))
  t.same(await pair.ending, { kind: 'completed' })
})

t.test('a reader that does not read stops the writer, and gets everything later', async t => {
  using pair = await joined()
  // Two connections lie on the way, each with up to tcp_rmem[2] and tcp_wmem[2] (32 and 4 MiB) in the kernel.
  const payload = randomBytes(128 * 1024 * 1024)
  pair.server.pause()
  pair.client.end(payload)
  let before = -1
  await eventually(() => {
    const now = pair.moved.client
    const still = now === before
    before = now
    return still && now > 0
  })
  t.ok(pair.moved.client < 0.7 * payload.length, `${pair.moved.client} bytes were taken before the reader read`)
  pair.server.end()
  t.equal((await readAll(pair.server)).length, payload.length)
  pair.client.resume()
  t.same(await pair.ending, { kind: 'completed' })
})

t.test('a connection is not completed before the last byte has left', async t => {
  using pair = await joined()
  const payload = randomBytes(32 * 1024 * 1024)
  pair.server.pause()
  pair.server.end()
  pair.client.resume()
  pair.client.end(payload)
  let over = false
  void pair.ending.then(() => { over = true })
  await eventually(() => pair.moved.client > 0)
  t.equal(over, false)
  t.equal((await readAll(pair.server)).length, payload.length)
  t.same(await pair.ending, { kind: 'completed' })
})

t.test('revoking resets both ends, also while one of them is slow', async t => {
  using pair = await joined()
  pair.server.pause()
  pair.client.write(randomBytes(16 * 1024 * 1024))
  await eventually(() => pair.moved.client > 0)
  const seen = endingOf(pair.client)
  const revocation = new Revocation('policy-changed', 'why')
  pair.revoker.revoke(revocation)
  t.same(await pair.ending, { kind: 'revoked', revocation })
  t.match(await seen, /ECONNRESET|EPIPE/)
})

t.test('a connection that was revoked before it began never passes a byte', async t => {
  const left = await socketPair()
  const right = await socketPair()
  left.client.write('secret')
  const revocation = new Revocation('workload-gone', '')
  const got = endingOf(right.client)
  const revoker = new Revoker()
  revoker.revoke(revocation)
  const ending = await join(new SocketLeg(left.server), new SocketLeg(right.server), () => { t.fail('bytes moved') }, revoker)
  t.same(ending, { kind: 'revoked', revocation })
  t.equal(await got, 'ECONNRESET')
})
