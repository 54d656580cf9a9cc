/**
 * Memory whose address the kernel and OpenSSL are given.
 *
 * The bytes of an `ArrayBuffer` never move and live as long as the object that owns them here. So an `Address` is
 * passed on only during a call, and only by someone who holds the owner, and goes on holding it: a constant of a module, a
 * field of what lives, or `withMemory`. A local variable holds nothing: V8's optimized code gives up what the function
 * will not mention any more, even while C works on its address.
 */

import { addressOf } from './libc.ts'

declare const brand: unique symbol

/** An address in this process; below 2^47, so a number holds it exactly. Not a thing to compute with elsewhere. */
export type Address = number & { readonly [brand]: 'address' }

/** A piece of memory with a fixed address. */
export class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly address: Address

  constructor (length: number) {
    // A typed array of few bytes would live inside V8's heap, where it moves; a buffer made first never does.
    this.bytes = new Uint8Array(new ArrayBuffer(length))
    this.address = Number(addressOf(this.bytes)) as Address // it is one: of these bytes
  }

  get length (): number { return this.bytes.length }

  /** The address `offset` bytes in. Throws RangeError outside. */
  at (offset: number): Address {
    if (offset < 0 || offset > this.bytes.length) throw new RangeError(`offset ${offset} in ${this.bytes.length} bytes`)
    return this.address + offset as Address // still inside
  }
}

const mentioned: { memory: Memory | undefined } = { memory: undefined }

/** Memory that lives until `use` has returned, because it is mentioned once more behind it. */
export function withMemory<T> (length: number, use: (memory: Memory) => T): T {
  const memory = new Memory(length)
  try {
    return use(memory)
  } finally {
    mentioned.memory = memory
  }
}
