/** A time limit for one piece of work, as an AbortSignal that can be called off. */

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
    const follow = (): void => { this.#controller.abort(parent?.reason) }
    parent?.addEventListener('abort', follow, { once: true })
    if (parent?.aborted === true) follow()
    this.#release = () => { timer.cancel(); parent?.removeEventListener('abort', follow) }
  }

  get signal (): AbortSignal { return this.#controller.signal }

  [Symbol.dispose] (): void { this.#release() }
}
