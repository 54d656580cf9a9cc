/**
 * Which occurrences there have been, how often, and which of them are to be written now. Bounded: one pod that is denied
 * at a thousand ports fills its own page and no other, and denials of all pods leave room for everything else.
 */

import { eventName } from './event-object.ts'
import type { Occurrence } from '../../model/occurrence.ts'
import type { EventFacts } from './event-object.ts'

/** One that was heard of. */
export interface Entry extends EventFacts {
  count: number
  lastMs: number
  /** How many were written or tried to; a failure is not repeated by itself. */
  told: number
  toldMs: number
  /** The API server has it. */
  isThere: boolean
  isQueued: boolean
}

/** Entries of all objects together, each a kilobyte or two at most. */
const mostEntries = 1000
const mostOfOneReason = 800
const mostOfObjectAndReason = 20
/** The same thing is written at most once in this time. */
export const repeatMs = 600_000
/** The API server forgets an event after an hour (its `--event-ttl`); what has not happened for that long begins anew. */
const forgetMs = 3_600_000

export class EventBook {
  readonly #entries = new Map<string, Entry>()
  readonly #counts = new Map<string, number>()

  get size (): number { return this.#entries.size }

  /** The entry of something new, to be written; `counted` when it was known, `full` when there is no room. */
  note (occurrence: Occurrence, nowMs: number): Entry | 'counted' | 'full' {
    const key = keyOf(occurrence)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.count++
      known.lastMs = nowMs
      return 'counted'
    }
    if (this.#isFull(occurrence)) return 'full'
    const salt = occurrence.isShared ? String(Math.floor(nowMs / forgetMs)) : String(nowMs)
    const entry = { occurrence, name: eventName(occurrence, salt), count: 1, firstMs: nowMs, lastMs: nowMs, told: 0, toldMs: nowMs, isThere: false, isQueued: false }
    this.#entries.set(key, entry)
    this.#count(occurrence, 1)
    return entry
  }

  /** Those that have happened again since they were written, long enough ago. What is over is forgotten. */
  due (nowMs: number): Entry[] {
    for (const [key, entry] of this.#entries) if (nowMs - endOf(entry) >= forgetMs) this.#forget(key, entry)
    return [...this.#entries.values()].filter(({ occurrence, count, told, toldMs }) => !occurrence.isShared && count > told && nowMs - toldMs >= repeatMs)
  }

  #forget (key: string, { occurrence }: Entry): void {
    this.#entries.delete(key)
    this.#count(occurrence, -1)
  }

  #isFull (occurrence: Occurrence): boolean {
    const [ofPage = 0, ofReason = 0] = pagesOf(occurrence).map(page => this.#counts.get(page) ?? 0)
    return this.#entries.size >= mostEntries || ofPage >= mostOfObjectAndReason || ofReason >= mostOfOneReason
  }

  #count (occurrence: Occurrence, change: 1 | -1): void {
    for (const page of pagesOf(occurrence)) {
      const count = (this.#counts.get(page) ?? 0) + change
      if (count === 0) this.#counts.delete(page)
      else this.#counts.set(page, count)
    }
  }
}

/** One that all agents see is told anew each hour by whoever comes first, however often it was seen. */
function endOf ({ occurrence: { isShared }, firstMs, lastMs }: Entry): number {
  return isShared ? firstMs : lastMs
}

/** What it counts for: its object and reason, and its reason alone. */
function pagesOf ({ about: { kind, namespace, name, uid }, reason }: Occurrence): [string, string] {
  return [[reason, kind, namespace, name, uid].join('\0'), reason]
}

function keyOf (occurrence: Occurrence): string {
  return [pagesOf(occurrence)[0], occurrence.sort].join('\0')
}
