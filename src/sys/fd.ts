/** File descriptors with exactly one owner. */

import { call, libc } from './libc.ts'

/** linux/fcntl.h */
const F_DUPFD_CLOEXEC = 1030

const live = new Set<Fd>()
let tracing = false

/**
 * An open descriptor. The owner closes it (`using`, `close`) or gives it away (`release`), once; after that
 * `number` throws, so a reused number can never be taken for ours.
 */
export class Fd implements Disposable {
  #number: number
  /** Where it was made; empty unless `traceFds(true)`. */
  readonly madeBy: string

  /** Takes ownership of an open descriptor. */
  constructor (number: number) {
    if (!Number.isInteger(number) || number < 0) throw new RangeError(`not a descriptor: ${number}`)
    this.#number = number
    this.madeBy = tracing ? new Error('made here').stack ?? '' : ''
    live.add(this)
  }

  get number (): number {
    if (this.#number < 0) throw new Error('the descriptor was closed or given away')
    return this.#number
  }

  get isOpen (): boolean { return this.#number >= 0 }

  /** Gives the descriptor to someone else, e.g. to a Node handle, who will close it. */
  release (): number {
    const number = this.number
    this.#number = -1
    live.delete(this)
    return number
  }

  /** Another descriptor of the same open file. Throws SysError. */
  duplicate (): Fd {
    return new Fd(call('fcntl', () => libc.fcntl(this.number, F_DUPFD_CLOEXEC, 0)))
  }

  /** Closes it; does nothing the second time or after `release`. */
  close (): void {
    if (!this.isOpen) return
    const number = this.release()
    call('close', () => libc.close(number))
  }

  [Symbol.dispose] (): void { this.close() }
}

/** The descriptors that are open and ours; tests end with none. */
export function liveFds (): readonly Fd[] {
  return [...live]
}

/** Whether new descriptors remember who made them (a stack trace each: for tests). @default false */
export function traceFds (on: boolean): void {
  tracing = on
}
