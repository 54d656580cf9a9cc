import t from 'tap'
import { bpf } from '../../src/sys/index.ts'

const { add, and, assemble, call, exit, ja, jeq, jne, jset, label, ldx, mov, or, r0, r1, r2, r10, st, stx } = bpf
const hex = (...program: bpf.Instruction[]): string => Buffer.from(assemble(program)).toString('hex')

t.test('each mnemonic has the encoding of linux/bpf.h', t => {
  const expected: readonly (readonly [bpf.Instruction, string])[] = [
    [mov(r0, 1), 'b700000001000000'],
    [mov(r1, r10), 'bfa1000000000000'],
    [add(r2, -8), '07020000f8ffffff'],
    [or(r1, 0x40), '4701000040000000'],
    [and(r1, r2), '5f21000000000000'],
    [ldx.w(r2, r1, 212), '6112d40000000000'],
    [ldx.dw(r1, r1, 184), '7911b80000000000'],
    [ldx.h(r1, r2, 2), '6921020000000000'],
    [ldx.b(r1, r2, 1), '7121010000000000'],
    [stx.w(r10, -4, r2), '632afcff00000000'],
    [st.b(r10, -8, 254), '720af8fffe000000'],
    [call(143), '850000008f000000'],
    [exit(), '9500000000000000'],
  ]
  for (const [instruction, bytes] of expected) t.equal(hex(instruction), bytes)
  t.end()
})

t.test('a constant above 2^31 keeps its bits', t => {
  t.equal(hex(and(r1, 0xff000000)), '57010000000000ff')
  t.equal(hex(and(r1, ~0x40)), '57010000bfffffff')
  t.end()
})

t.test('jumps count the instructions behind them, forward and backward', t => {
  t.equal(hex(jeq(r1, 3, 'end'), mov(r0, 0), label('end'), exit()).slice(0, 16), '1501010003000000')
  t.equal(hex(jne(r1, r2, 'end'), label('end'), exit()).slice(0, 16), '5d21000000000000')
  t.equal(hex(label('top'), exit(), jset(r1, 1, 'top')).slice(16), '4501feff01000000')
  t.equal(hex(ja('end'), exit(), label('end'), exit()).slice(0, 16), '0500010000000000')
  t.end()
})

t.test('a label that is missing or there twice is a fault', t => {
  t.throws(() => hex(ja('nowhere')), /no label nowhere/)
  t.throws(() => hex(label('a'), label('a')), /twice/)
  t.end()
})
