/** A time limit for one piece of work, as an AbortSignal that can be called off. */

import { follow } from './follow.ts'
import type { Clock } from './clock.ts'

export interface DeadlineOptions {
  readonly clock: Clock
  readonly ms: number
  /** What the signal aborts with when time is up. */
  readonly reason: () => Error
  /** Aborts this one too, with its own reason. */
  readonly parent?: AbortSignal
}

/** `using deadline = new Deadline(…)`: after its scope the signal never fires. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController()
  readonly #release: () => void

  constructor ({ clock, ms, reason, parent }: DeadlineOptions) {
    const timer = clock.after(ms, () => { this.#controller.abort(reason()) })
    const leave = parent === undefined ? undefined : follow(parent, reason => { this.#controller.abort(reason) })
    this.#release = () => { timer.cancel(); leave?.() }
  }

  get signal (): AbortSignal { return this.#controller.signal }

  [Symbol.dispose] (): void { this.#release() }
}
