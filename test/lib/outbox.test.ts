import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import { Outbox } from '../../src/lib/outbox.ts'
import { eventually } from '../fixtures/eventually.ts'

const none = new Uint8Array(0)
const record = 16 * 1024

/** A stream that takes a chunk only when `accept` is called. */
class Slow extends Writable {
  readonly chunks: Buffer[] = []
  readonly #waiting: (() => void)[] = []

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk)
    this.#waiting.push(done)
  }

  async accept (): Promise<void> {
    const done = await eventually(() => this.#waiting.shift())
    done()
  }
}

t.test('a small piece is written at once, with its head, as one chunk', t => {
  const stream = new Slow()
  const outbox = new Outbox(stream, () => {})
  t.equal(outbox.put(Uint8Array.of(1, 2), Uint8Array.of(3)), true)
  t.same(stream.chunks, [Buffer.of(1, 2, 3)])
  t.end()
})

t.test('large pieces are gathered until the event loop has read what there was', async t => {
  const stream = new Slow()
  const outbox = new Outbox(stream, () => {})
  for (let i = 1; i <= 3; i++) outbox.put(none, new Uint8Array(record).fill(i))
  t.equal(stream.chunks.length, 0)
  await new Promise(resolve => setImmediate(resolve))
  t.same(stream.chunks, [Buffer.concat([1, 2, 3].map(i => Buffer.alloc(record, i)))])
})

t.test('what is gathered goes out before what comes after it', async t => {
  const stream = new PassThrough()
  const outbox = new Outbox(stream, () => {})
  const sent: Buffer[] = []
  for (let i = 0; i < 200; i++) {
    const [head, bytes] = [Buffer.alloc(i % 5, i), Buffer.alloc(1 + (i * 7919) % 70_000, i + 1)]
    sent.push(head, bytes)
    outbox.put(head, bytes)
  }
  outbox.put(none, new Uint8Array(record))
  outbox.flush()
  stream.end('end')
  t.ok(Buffer.concat(await stream.toArray() as Buffer[]).equals(Buffer.concat([...sent, Buffer.alloc(record), Buffer.from('end')])))
})

t.test('bytes are copied: the caller may use its buffer again, and a buffer is not used again before it is written', async t => {
  const stream = new Slow()
  const outbox = new Outbox(stream, () => {})
  const own = Buffer.alloc(250 * 1024)
  for (let i = 0; i < 4; i++) outbox.put(none, own.fill(i))
  own.fill(9)
  for (let i = 0; i < 4; i++) await stream.accept()
  t.same(stream.chunks.map(chunk => [chunk.length, chunk[0], chunk.at(-1)]), [0, 1, 2, 3].map(i => [own.length, i, i]))
})

t.test('the writer is asked to pause at a bound, and to go on when half of it is gone', async t => {
  const stream = new Slow()
  let drained = 0
  const outbox = new Outbox(stream, () => { drained++ })
  const piece = new Uint8Array(250 * 1024)
  t.same([outbox.put(none, piece), outbox.put(none, piece), outbox.put(none, piece)], [true, true, false])
  await stream.accept()
  t.equal(drained, 0)
  await stream.accept()
  await eventually(() => drained === 1)
  await stream.accept()
  t.equal(drained, 1)
})

t.test('a stream that breaks hands no buffer back and calls nobody', async t => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => { done(new Error('broken')) } })
  stream.on('error', () => {})
  const outbox = new Outbox(stream, () => { t.fail('drained') })
  for (let i = 0; i < 4; i++) outbox.put(none, new Uint8Array(250 * 1024))
  await eventually(() => stream.destroyed)
  outbox.put(none, Uint8Array.of(1))
  await new Promise(resolve => setImmediate(resolve))
})
