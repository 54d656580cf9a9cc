/** BPF programs assembled here, loaded and attached by bpf(2). */

export { add, and, assemble, call, exit, ja, jeq, jne, jset, label, ldx, mov, or, r0, r1, r2, r3, r4, r5, r6, r7, r10, st, stx } from './assembler.ts'
export { attachSockOps, loadSockOps } from './load.ts'
export type { Instruction, Register } from './assembler.ts'
