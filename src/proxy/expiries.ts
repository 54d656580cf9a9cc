/**
 * Tells when certificates end. Connections with one peer end at one moment, so they share a timer: one of its own for
 * each connection would be a length of its own for each, which is what makes timers expensive.
 */

import type { Clock, Timer } from '../lib/clock.ts'

interface Group {
  timer: Timer
  readonly members: Set<() => void>
}

export class Expiries {
  readonly #clock: Clock
  readonly #groups = new Map<number, Group>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Calls `tell` when the clock says `atMs`, in ms since the epoch; `Infinity` never comes. The result calls it off. */
  at (atMs: number, tell: () => void): () => void {
    if (atMs === Infinity) return () => {}
    const group = this.#groups.get(atMs) ?? this.#open(atMs)
    const member = (): void => { tell() }
    group.members.add(member)
    return () => {
      if (!group.members.delete(member) || group.members.size > 0) return
      group.timer.cancel()
      if (this.#groups.get(atMs) === group) this.#groups.delete(atMs)
    }
  }

  #open (atMs: number): Group {
    const group = { timer: this.#wait(atMs), members: new Set<() => void>() }
    this.#groups.set(atMs, group)
    return group
  }

  #wait (atMs: number): Timer {
    return this.#clock.after(atMs - this.#clock.now(), () => { this.#ring(atMs) })
  }

  #ring (atMs: number): void {
    const group = this.#groups.get(atMs)
    if (group === undefined) return
    // Timers have a longest delay, and the clock may have been set back.
    if (this.#clock.now() < atMs) { group.timer = this.#wait(atMs); return }
    this.#groups.delete(atMs)
    for (const member of group.members) member()
  }
}
