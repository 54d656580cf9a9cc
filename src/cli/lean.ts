/** Keeps a process that runs for months as small as it can be: gives back what its start, and later each burst, has left behind. */

import type { Clock } from '../lib/clock.ts'

export interface LeanParts {
  readonly clock: Clock
  /** Resident memory now, bytes. */
  readonly resident: () => number
  /** CPU time of the process so far, ms. */
  readonly cpuMs: () => number
  /** What gives back everything that can be, and stops the thread for some tens of milliseconds. */
  readonly release: () => void
  /** What gives back what a burst has left, and does so in less time. */
  readonly releaseBurst: () => void
}

/** How long after a start its memory is given back: by then it has settled. */
const settledMs = 2000
/** How often it is looked for more, ms. */
const lookMs = 10_000
/** Looking for less is not worth it, bytes. */
const leastGrown = 8 * 1024 * 1024
/** Whoever uses more CPU than this is in the middle of something, and will want the memory again. */
const calmShare = 0.1

/** Goes on until the process ends. */
export function keepLean ({ clock, resident, cpuMs, release, releaseBurst }: LeanParts): void {
  let kept = 0
  let usedMs = 0
  const give = (how: () => void): void => {
    try {
      how()
    } catch { /* then it is kept, which harms nobody */ }
    kept = resident()
  }
  const look = (): void => {
    const isCalm = cpuMs() - usedMs < lookMs * calmShare
    usedMs = cpuMs()
    if (isCalm && resident() > kept + leastGrown) give(releaseBurst)
    clock.after(lookMs, look)
  }
  clock.after(settledMs, () => {
    give(release)
    usedMs = cpuMs()
    clock.after(lookMs, look)
  })
}
