/**
 * Collects garbage when a thread has become calm after a burst. V8 does that in idle time, of which it knows by Node's event
 * loop: that of a relay thread never runs, so what a burst has left would stay until the next one.
 */

import { getHeapStatistics } from 'node:v8'
import { collectGarbage } from '../../../sys/index.ts'
import type { Loop } from './loop.ts'

/** How often it is looked, while something happens, ms. */
const lookMs = 5000
/** A collection takes some tens of milliseconds, in which nothing moves: not where there are more turns than this between two looks. */
const calmTurns = 50
/** Less is not worth it, bytes. */
const leastGrown = 4 * 1024 * 1024

export class Tidy {
  readonly #loop: Loop
  readonly #used: () => number
  readonly #collect: () => void
  #turns = 0
  #isLooking = false
  #keptBytes: number

  constructor (loop: Loop, used = usedHeap, collect = collectGarbage) {
    this.#loop = loop
    this.#used = used
    this.#collect = collect
    this.#keptBytes = used()
  }

  /** A turn of the loop is over. */
  turn (): void {
    this.#turns++
    if (this.#turns > 0 && !this.#isLooking) this.#lookLater()
  }

  #lookLater (): void {
    this.#isLooking = true
    this.#loop.after(lookMs, () => { this.#look() })
  }

  #look (): void {
    const turns = this.#turns
    this.#turns = -1 // this one does not count
    this.#isLooking = false
    if (turns > calmTurns) { this.#lookLater(); return } // once more, when it is calm
    if (this.#used() < this.#keptBytes + leastGrown) return
    this.#collect()
    this.#keptBytes = this.#used()
  }
}

function usedHeap (): number {
  return getHeapStatistics().used_heap_size
}
