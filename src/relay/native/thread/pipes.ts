/** The pipes of one thread: a lane holds one only while bytes are in it. */

import { Pipe } from '../../../sys/index.ts'

/** How many empty ones are kept for the next who needs one. */
const mostKept = 16

export class Pipes implements Disposable {
  readonly #free: Pipe[] = []

  /** `undefined` where the kernel gives none (EMFILE, ENFILE): then bytes are copied. */
  take (): Pipe | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return free
    try {
      return new Pipe()
    } catch {
      return undefined
    }
  }

  /** Takes back an empty pipe. */
  give (pipe: Pipe): void {
    if (this.#free.length < mostKept) this.#free.push(pipe)
    else pipe.close()
  }

  [Symbol.dispose] (): void { for (const pipe of this.#free.splice(0)) pipe.close() }
}
