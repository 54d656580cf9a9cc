/** The listeners of a thread. Each connection that comes has a name, and so many may have come that the main thread has not heard of. */

import { Listener } from './listener.ts'
import type { ConnectionId, Report } from '../protocol.ts'
import type { Loop } from './loop.ts'
import type { Visitor } from './loan.ts'

export interface DoorHooks {
  report (report: Report): void
  accepted (visitor: Visitor): void
  /** How many of those that have come the main thread has heard of, modulo 2^32. */
  heard (): number
}

/** Beyond it, those who come wait in the kernel. */
const mostUnheard = 512

export class Doors {
  readonly #loop: Loop
  readonly #hooks: DoorHooks
  readonly #listeners = new Map<number, Listener>()
  #last = 0

  constructor (loop: Loop, hooks: DoorHooks) {
    this.#loop = loop
    this.#hooks = hooks
  }

  open (listener: number, fd: number): void {
    this.#listeners.set(listener, new Listener(fd, this.#loop, {
      isFull: () => this.#isFull,
      accepted: (socket, local, remote) => { this.#hooks.accepted({ id: --this.#last, listener, socket, local, remote }) },
      failed: errno => { this.#hooks.report({ is: 'refused', listener, errno }) },
    }))
  }

  shut (listener: number): void {
    this.#listeners.get(listener)?.close()
    this.#listeners.delete(listener)
    this.#hooks.report({ is: 'unlistened', listener })
  }

  /** A name for a connection that has come by another way; `undefined` when the main thread has to hear of others first. */
  name (): ConnectionId | undefined { return this.#isFull ? undefined : --this.#last }

  close (): void { for (const listener of this.#listeners.values()) listener.close() }

  get #isFull (): boolean { return ((-this.#last - this.#hooks.heard()) | 0) >= mostUnheard }
}
