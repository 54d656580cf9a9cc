import * as fc from 'fast-check'
import t from 'tap'
import { FrameParser, FrameType, encodeFrame, encodeHeader, maxDataBytes } from '../../src/frames/frames.ts'
import type { Frame } from '../../src/frames/frames.ts'

const frame = (type: number, length: number): Uint8Array => Uint8Array.of(type, (length >>> 16) & 255, (length >>> 8) & 255, length & 255)

/** Feeds `bytes` in pieces of the given sizes. */
function parse (bytes: Uint8Array, sizes: readonly number[]): Frame[] {
  const parser = new FrameParser()
  const frames: Frame[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1)
    frames.push(...parser.push(bytes.subarray(at, at + size)))
    at += size
  }
  t.ok(parser.atBoundary)
  return frames
}

/** Data pieces that follow each other are one piece of data: how they were cut means nothing. */
function gathered (frames: readonly Frame[]): Array<{ type: number, hex: string }> {
  const whole: Array<{ type: number, hex: string }> = []
  for (const { type, payload } of frames) {
    const hex = Buffer.from(payload).toString('hex')
    const last = whole.at(-1)
    if (type === FrameType.data && last?.type === FrameType.data) last.hex += hex
    else whole.push({ type, hex })
  }
  return whole
}

t.test('frames come out the same however the bytes were cut', async t => {
  const one = fc.oneof(
    fc.record({ type: fc.constant(FrameType.data), payload: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
    fc.record({ type: fc.constantFrom(FrameType.verdict, FrameType.certificate), payload: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ type: fc.constant(FrameType.end), payload: fc.uint8Array({ maxLength: 1 }) }))
  fc.assert(fc.property(fc.array(one, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (frames, sizes) => {
    const bytes = Buffer.concat(frames.flatMap(({ type, payload }) => type === FrameType.data ? [encodeHeader(type, payload.length), payload] : [encodeFrame(type, payload)]))
    t.same(gathered(parse(bytes, sizes)), gathered(frames))
  }), { numRuns: 200 })
})

t.test('a length is refused before anything of the payload is gathered', async t => {
  const refused: Array<[string, Uint8Array]> = [
    ['2^31 as a stranger would write it', Uint8Array.of(0x80, 0, 0, 0)],
    ['a greeting of 16 MiB', frame(FrameType.greeting, 0xffffff)],
    ['a greeting of 65 bytes', frame(FrameType.greeting, 65)],
    ['a verdict of 4097 bytes', frame(FrameType.verdict, 4097)],
    ['an end of 2 bytes', frame(FrameType.end, 2)],
    ['a certificate of 64 KiB and one', frame(FrameType.certificate, 65537)],
    ['data of 256 KiB and one', frame(FrameType.data, maxDataBytes + 1)],
    ['empty data, which would cost time and say nothing', frame(FrameType.data, 0)],
    ['an unknown type', frame(99, 0)],
    ['type 0', frame(0, 0)],
  ]
  for (const [name, bytes] of refused) t.throws(() => new FrameParser().push(bytes), { code: 'protocol-error' }, name)
  t.same(new FrameParser().push(frame(FrameType.data, maxDataBytes)), [], 'the largest is accepted')
})

t.test('control payloads over their bound are never sent', async t => {
  t.throws(() => encodeFrame(FrameType.verdict, new Uint8Array(4097)), RangeError)
})
