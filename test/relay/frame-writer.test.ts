import t from 'tap'
import { FrameParser, FrameType, encodeEnd, encodeFrame } from '../../src/frames/index.ts'
import { Chunk } from '../../src/relay/native/thread/chunk.ts'
import { FrameWriter } from '../../src/relay/native/thread/frame-writer.ts'
import { Wire } from '../../src/relay/native/thread/loop.ts'
import { Memory } from '../../src/sys/index.ts'
import { tlsPair } from '../fixtures/tls-pair.ts'
import type { TlsPair } from '../fixtures/tls-pair.ts'

interface Desk extends TlsPair {
  readonly writer: FrameWriter
  readonly wire: Wire
  /** What the other end has got since the last call: types of frames, with the bytes of data. */
  heard (): string[]
}

function desk (): Desk {
  const ends = tlsPair()
  const wire = new Wire(ends.clientFd, 1, undefined)
  wire.writable = true
  const writer = new FrameWriter(ends.client, wire, detail => { throw new Error(detail) })
  const parser = new FrameParser()
  const room = new Memory(64 * 1024)
  const heard = (): string[] => {
    const told: string[] = []
    for (let count = ends.server.read(room.address, room.length); count > 0; count = ends.server.read(room.address, room.length)) {
      for (const { type, payload } of parser.push(room.bytes.subarray(0, count))) told.push(type === FrameType.data ? `data ${payload.length}` : `type ${type}`)
    }
    return told
  }
  return { ...ends, writer, wire, heard, [Symbol.dispose]: () => { ends[Symbol.dispose]() } }
}

const greeting = encodeFrame(FrameType.greeting, new Uint8Array(32))
const verdict = encodeFrame(FrameType.verdict, new Uint8Array(40))

t.test('a control frame leaves at once, a gathered one with the next thing that is said', async t => {
  using at = desk()
  at.writer.control(greeting)
  t.same(at.heard(), ['type 1'])
  at.writer.gather(greeting)
  at.writer.gather(verdict)
  t.equal(at.writer.flush(), 'empty', 'nothing is in the way of data')
  t.same(at.heard(), [])
  at.writer.send(new Chunk(), 100, false)
  t.same(at.heard(), ['type 1', 'type 2', 'data 100'])
  at.writer.gather(greeting)
  at.writer.control(verdict)
  t.same(at.heard(), ['type 1', 'type 2'])
  at.writer.gather(verdict)
  at.writer.settle()
  t.same(at.heard(), ['type 2'])
  at.writer.settle()
  t.same(at.heard(), [])
})

t.test('data leaves with the end that follows it, or without when none follows', async t => {
  using at = desk()
  at.writer.send(new Chunk(), 100, true)
  t.equal(at.writer.flush(), 'empty')
  t.same(at.heard(), [])
  at.writer.control(encodeEnd(false))
  t.same(at.heard(), ['data 100', 'type 4'])
  at.writer.send(new Chunk(), 100, true)
  at.writer.settle()
  t.same(at.heard(), ['data 100'])
  at.writer.send(new Chunk(), 20_000, true)
  t.same(at.heard().map(text => text.split(' ')[0]), ['data', 'data'], 'much does not wait')
})

t.test('what leaves TLS says so last, also behind what was gathered', async t => {
  using at = desk()
  at.writer.gather(greeting)
  at.writer.gather(verdict)
  t.equal(at.writer.hasLeft, false)
  at.writer.leave()
  t.equal(at.writer.hasLeft, true)
  t.same(at.heard(), ['type 1', 'type 2', `type ${FrameType.leave}`])
})

t.test('more than may wait does not', async t => {
  using at = desk()
  const large = encodeFrame(FrameType.certificate, new Uint8Array(20_000))
  at.writer.gather(large)
  t.same(at.heard(), ['type 6'])
  for (let i = 0; i < 9; i++) at.writer.gather(encodeFrame(FrameType.verdict, new Uint8Array(2000)))
  t.same(at.heard(), Array<string>(9).fill('type 2'))
})

t.test('frames of every size keep their bytes, also where the socket is full in between', async t => {
  using at = desk()
  const sizes = Array.from({ length: 600 }, (_, i) => [40, 4091, 4092, 4093, 9000][i % 5] ?? 0)
  const frames = sizes.map((size, i) => encodeFrame(FrameType.certificate, new Uint8Array(size).fill(i % 251)))
  const [room, parser, got] = [new Memory(64 * 1024), new FrameParser(), [] as Uint8Array[]]
  const read = (): void => {
    for (let count = at.server.read(room.address, room.length); count > 0; count = at.server.read(room.address, room.length)) {
      for (const { payload } of parser.push(room.bytes.subarray(0, count))) got.push(payload.slice())
    }
  }
  for (const frame of frames) at.writer.control(frame)
  t.equal(at.writer.flush(), 'held', 'more than the socket takes')
  for (let i = 0; i < frames.length && got.length < frames.length; i++) {
    read()
    at.wire.writable = true
    at.writer.flush()
  }
  t.same(got.map(({ length }) => length), sizes)
  t.ok(got.every((payload, i) => payload.every(byte => byte === i % 251)), 'each has its own')
})
