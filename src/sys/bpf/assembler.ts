/**
 * A small BPF assembler: mnemonics in, bytes out. No clang, and no knowledge of what programs do.
 *
 * An instruction (linux/bpf.h, `struct bpf_insn`) is 8 bytes:
 *
 *     opcode u8 | src:4 dst:4 | offset i16 | immediate i32        little-endian
 *
 * `mov(r2, 5)` and `mov(r2, r1)` are the two forms of one mnemonic. Jumps name labels.
 */

/** A register: r0 result, r1-r5 arguments (lost by a call), r6-r9 kept, r10 frame pointer (stack below it, 512 bytes). */
export interface Register { readonly register: number }

interface Plain { readonly op: number, readonly dst?: Register, readonly src?: Register, readonly offset?: number, readonly immediate?: number }
interface Jump extends Plain { readonly to: string }
interface Label { readonly label: string }
export type Instruction = Plain | Jump | Label

export const r0: Register = { register: 0 }
export const r1: Register = { register: 1 }
export const r2: Register = { register: 2 }
export const r3: Register = { register: 3 }
export const r4: Register = { register: 4 }
export const r5: Register = { register: 5 }
export const r6: Register = { register: 6 }
export const r7: Register = { register: 7 }
export const r10: Register = { register: 10 }

type Operand = Register | number

// linux/bpf_common.h and linux/bpf.h: class, size and operation bits.
const LDX = 0x61, ST = 0x62, STX = 0x63, ALU64 = 0x07, JMP = 0x05, fromRegister = 0x08
const sizes = { b: 0x10, h: 0x08, w: 0x00, dw: 0x18 } as const

/** Loads from memory: `ldx.w(r2, r1, 16)` is r2 = *(u32 *)(r1 + 16). */
export const ldx = bySize(size => (dst: Register, src: Register, offset: number): Instruction => ({ op: LDX | size, dst, src, offset }))
/** Stores a register: `stx.w(r10, -4, r2)` is *(u32 *)(r10 - 4) = r2. */
export const stx = bySize(size => (dst: Register, offset: number, src: Register): Instruction => ({ op: STX | size, dst, src, offset }))
/** Stores a constant. */
export const st = bySize(size => (dst: Register, offset: number, immediate: number): Instruction => ({ op: ST | size, dst, offset, immediate }))

export const mov = arithmetic(0xb0)
export const add = arithmetic(0x00)
export const or = arithmetic(0x40)
export const and = arithmetic(0x50)

export const jeq = jump(0x10)
export const jne = jump(0x50)
export const jset = jump(0x40)
export function ja (to: string): Instruction { return { op: JMP, to } }

/** Calls a kernel helper by its number (linux/bpf.h, `___BPF_FUNC_MAPPER`). */
export function call (helper: number): Instruction { return { op: 0x85, immediate: helper } }
export function exit (): Instruction { return { op: 0x95 } }
export function label (name: string): Instruction { return { label: name } }

/** The program as bytes. Throws for a label that is missing or named twice: a fault of the program's author. */
export function assemble (program: readonly Instruction[]): Uint8Array {
  const places = placesOf(program)
  const instructions = program.filter(isReal)
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  instructions.forEach((instruction, i) => {
    const { op, dst, src, immediate = 0 } = instruction
    view.setUint8(i * 8, op)
    view.setUint8(i * 8 + 1, (src?.register ?? 0) << 4 | (dst?.register ?? 0))
    view.setInt16(i * 8 + 2, 'to' in instruction ? placeOf(places, instruction.to) - i - 1 : instruction.offset ?? 0, true)
    view.setInt32(i * 8 + 4, immediate | 0, true)
  })
  return bytes
}

function placesOf (program: readonly Instruction[]): Map<string, number> {
  const places = new Map<string, number>()
  let at = 0
  for (const instruction of program) {
    if (isReal(instruction)) at++
    else if (places.has(instruction.label)) throw new Error(`label ${instruction.label} is there twice`)
    else places.set(instruction.label, at)
  }
  return places
}

function placeOf (places: Map<string, number>, name: string): number {
  const place = places.get(name)
  if (place === undefined) throw new Error(`no label ${name}`)
  return place
}

function isReal (instruction: Instruction): instruction is Plain | Jump {
  return !('label' in instruction)
}

function bySize<F> (make: (size: number) => F): { readonly b: F, readonly h: F, readonly w: F, readonly dw: F } {
  return { b: make(sizes.b), h: make(sizes.h), w: make(sizes.w), dw: make(sizes.dw) }
}

function arithmetic (operation: number): (dst: Register, value: Operand) => Instruction {
  return (dst, value) => typeof value === 'number'
    ? { op: ALU64 | operation, dst, immediate: value }
    : { op: ALU64 | operation | fromRegister, dst, src: value }
}

function jump (operation: number): (left: Register, right: Operand, to: string) => Instruction {
  return (dst, right, to) => typeof right === 'number'
    ? { op: JMP | operation, dst, immediate: right, to }
    : { op: JMP | operation | fromRegister, dst, src: right, to }
}
