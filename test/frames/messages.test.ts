import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { FrameParser, headerBytes } from '../../src/frames/frames.ts'
import { GreetingPattern } from '../../src/frames/greeting-pattern.ts'
import {
  decodeCertificate, decodeEnd, decodeGreeting, decodeReset, decodeVerdict,
  encodeCertificate, encodeEnd, encodeGreeting, encodeReset, encodeVerdict, flowIdBytes, flowIdOf, resetReasons,
} from '../../src/frames/messages.ts'
import { HandshakeError } from '../../src/handshake/index.ts'
import { socketAddress } from '../../src/model/address.ts'

const flowId = Uint8Array.from({ length: 16 }, (_, i) => i)
const payloadOf = (frame: Uint8Array): Uint8Array => frame.subarray(headerBytes)

t.test('a greeting carries role and address', async t => {
  for (const address of [socketAddress('10.244.0.2', 8080), socketAddress('2001:db8::1', 65535)]) {
    const payload = payloadOf(encodeGreeting({ role: 'server', flowId, address }))
    t.same(decodeGreeting(payload, 'server', flowId).address, address)
  }
})

t.test('a greeting of another connection, another role or another version is refused', async t => {
  const payload = payloadOf(encodeGreeting({ role: 'server', flowId, address: socketAddress('10.0.0.1', 80) }))
  t.throws(() => decodeGreeting(payload, 'server', new Uint8Array(16)), { code: 'protocol-error', detail: 'greeting belongs to another connection' })
  t.throws(() => decodeGreeting(payload, 'client', flowId), { code: 'protocol-error', detail: 'greeting is not of the client end' })
  const later = payload.slice()
  later[0] = 3
  t.throws(() => decodeGreeting(later, 'server', flowId), { code: 'protocol-error', detail: 'greeting of version 3' })
})

t.test('an IPv4-mapped address in a greeting is the IPv4 address', async t => {
  const mapped = Uint8Array.of(2, 2, ...flowId, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1, 0, 80)
  t.same(decodeGreeting(mapped, 'server', flowId).address, socketAddress('10.0.0.1', 80))
})

t.test('verdict, reset and end come back as they were sent', async t => {
  const verdicts = fc.constantFrom({ accepted: false } as const, { accepted: true, mode: 'encrypt' } as const, { accepted: true, mode: 'authenticate' } as const)
  fc.assert(fc.property(verdicts, fc.string({ maxLength: 60, unit: 'grapheme' }), fc.string({ maxLength: 60 }), (verdict, decidedBy, reason) => {
    const printable = (text: string): string => Buffer.from(text).toString().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '\ufffd')
    t.same(decodeVerdict(payloadOf(encodeVerdict({ ...verdict, decidedBy, reason }))), { ...verdict, decidedBy: printable(decidedBy), reason: printable(reason) })
  }), { numRuns: 100 })
  for (const reason of resetReasons) t.same(decodeReset(payloadOf(encodeReset(reason, 'why'))), { reason, detail: 'why' })
  t.equal(decodeEnd(payloadOf(encodeEnd(true))), true)
  t.equal(decodeEnd(payloadOf(encodeEnd(false))), false)
})

t.test('a verdict of an unknown code is refused', async t => {
  t.throws(() => decodeVerdict(Uint8Array.of(3, 0, 0, 0, 0)), { code: 'protocol-error', detail: 'verdict 3' })
})

t.test('each connection of a session has a flow id of its own, which both ends can make', async t => {
  const first = new Uint8Array(16).fill(7)
  t.same(flowIdOf(first, 1), first)
  const ids = Array.from({ length: 300 }, (_, i) => Buffer.from(flowIdOf(first, i + 1)).toString('hex'))
  t.equal(new Set(ids).size, 300)
  t.ok(ids.every(id => id.length === 32))
  t.equal(ids[1], createHash('sha256').update(first).update(Uint8Array.of(0, 0, 0, 2)).digest('hex').slice(0, 32))
})

t.test('a long text is cut, so that it always fits', async t => {
  const { reason } = decodeVerdict(payloadOf(encodeVerdict({ accepted: false, decidedBy: 'r'.repeat(5000), reason: 'x'.repeat(5000) })))
  t.equal(reason.length, 1024)
})

t.test('text of the other end cannot write into our log', async t => {
  t.equal(decodeReset(payloadOf(encodeReset('shutdown', 'a\nb\u001b[31m'))).detail, 'a\ufffdb\ufffd[31m')
})

t.test('a reset code of a later version reads as an internal error', async t => {
  t.equal(decodeReset(Uint8Array.of(200, 0, 0)).reason, 'internal-error')
})

t.test('a chain comes back as it was sent, and one of five is refused', async t => {
  const chain = [Uint8Array.of(1, 2, 3), new Uint8Array(1000)]
  t.same(decodeCertificate(payloadOf(encodeCertificate(chain))).map(der => [...der]), chain.map(der => [...der]))
  t.throws(() => decodeCertificate(Uint8Array.of(5)), { code: 'protocol-error' })
})

t.test('no bytes make a decoder throw anything but a protocol error', async t => {
  const decoders = [decodeVerdict, decodeEnd, decodeReset, decodeCertificate, (bytes: Uint8Array) => decodeGreeting(bytes, 'client', flowId)]
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
    for (const decodeAny of decoders) protocolErrorOnly(() => decodeAny(bytes))
    protocolErrorOnly(() => new FrameParser().push(bytes))
  }), { numRuns: 2000 })
  t.pass('2000 inputs')
})

function protocolErrorOnly (work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof HandshakeError) || error.code !== 'protocol-error') throw error
  }
}

t.test('a pattern makes the greetings of a session, and tells whether one is the greeting that is due', async t => {
  const ids = [1, 2].map(byte => new Uint8Array(flowIdBytes).fill(byte))
  for (const address of [socketAddress('192.0.2.1', 80), socketAddress('2001:db8::1', 443)]) {
    const frames = ids.map(flowId => encodeGreeting({ role: 'client', flowId, address }))
    const [first, second] = [frames[0] ?? new Uint8Array(0), frames[1] ?? new Uint8Array(0)]
    const [, id = new Uint8Array(0)] = ids
    const pattern = new GreetingPattern(first)
    t.same(pattern.with(id), second)
    t.ok(pattern.matches(second.subarray(headerBytes), id))
    t.notOk(pattern.matches(first.subarray(headerBytes), id), 'the greeting of another connection')
    t.notOk(pattern.matches(second.subarray(headerBytes, -1), id))
    t.notOk(pattern.matches(encodeGreeting({ role: 'server', flowId: id, address }).subarray(headerBytes), id))
  }
  const behind = Buffer.concat([encodeGreeting({ role: 'client', flowId: new Uint8Array(flowIdBytes), address: socketAddress('192.0.2.1', 80) }), Buffer.from('more')])
  t.equal(Buffer.from(new GreetingPattern(behind).with(ids[0] ?? behind).subarray(-4)).toString(), 'more', 'what follows it stays')
})
