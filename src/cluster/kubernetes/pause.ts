/** A wait that somebody may cut short. */

import type { Clock } from '../../lib/clock.ts'

export class Pause {
  readonly #clock: Clock
  #wake: (() => void) | undefined

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after `ms`, or when woken. One at a time. */
  async for (ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = this.#clock.after(ms, resolve)
      this.#wake = () => { timer.cancel(); resolve() }
    })
    this.#wake = undefined
  }

  /** Ends the wait that there is; nothing when there is none. */
  wake (): void { this.#wake?.() }
}
