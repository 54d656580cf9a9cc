/** Lets the keeper look again and again, one look at a time, and sooner when told to. */

import { backoffMs } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log } from '../observe/index.ts'
import type { Keeper } from './keeper.ts'

export interface KeeperLoopParts {
  readonly keeper: Keeper
  readonly clock: Clock
  readonly log: Log
  /** Told after each look. */
  readonly ticked: (error: unknown) => void
}

/** A look costs three reads; a new given key or a lost ConfigMap is noticed this late. */
const everyMs = 15_000
const tickMs = 30_000

export class KeeperLoop {
  readonly #parts: KeeperLoopParts
  readonly #stopped = new AbortController()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #isPoked = false
  #failures = 0

  constructor (parts: KeeperLoopParts) {
    this.#parts = parts
  }

  /** The first look is after the usual time. */
  start (): void { this.#arm(everyMs) }

  /** Looks at once, or once more after the look that is under way. */
  poke (): void {
    this.#isPoked = true
    if (this.#running === undefined) this.#begin()
  }

  /** Resolves when no look is under way any more. */
  async stop (): Promise<void> {
    this.#stopped.abort(new Error('stopped'))
    this.#timer?.cancel()
    await this.#running
  }

  #begin (): void {
    if (this.#stopped.signal.aborted) return
    this.#timer?.cancel()
    this.#isPoked = false
    this.#running = this.#look().finally(() => {
      this.#running = undefined
      if (this.#isPoked) this.#begin()
      else this.#arm(this.#failures === 0 ? everyMs : backoffMs(this.#failures, { firstMs: 1000, mostMs: everyMs }))
    })
  }

  #arm (ms: number): void {
    if (!this.#stopped.signal.aborted) this.#timer = this.#parts.clock.after(ms, () => { this.#begin() })
  }

  /** Never rejects. */
  async #look (): Promise<void> {
    const { keeper, log, ticked } = this.#parts
    try {
      await keeper.tick(AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(tickMs)]))
      this.#failures = 0
      ticked(undefined)
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      this.#failures++
      log.warn('authority cannot be kept; what signs now goes on', { error })
      ticked(error)
    }
  }
}
