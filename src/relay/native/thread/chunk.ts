/** Pieces of memory that bytes pass through: room for a data frame's header, then the payload. */

import { Memory } from '../../../sys/index.ts'
import { headerBytes } from '../../../frames/index.ts'

/** Most payload in one piece; with header and TLS records it fits into OpenSSL's write buffer. */
export const chunkBytes = 240 * 1024

export class Chunk {
  readonly memory = new Memory(headerBytes + chunkBytes)
  /** Where the payload begins. */
  readonly payload = this.memory.at(headerBytes)
}

/** How many are kept for the next who needs one. */
const mostKept = 8

/** The chunks of one thread: one in use, and one for each leg that holds what the kernel has not taken yet. */
export class Chunks {
  readonly #free: Chunk[] = []
  #lent = 0

  get lent (): number { return this.#lent }

  take (): Chunk {
    this.#lent++
    return this.#free.pop() ?? new Chunk()
  }

  give (chunk: Chunk): void {
    this.#lent--
    if (this.#free.length < mostKept) this.#free.push(chunk)
  }
}
