/**
 * Which occurrences there have been, how often, and which of them are to be written now. Bounded: one pod that is denied
 * at a thousand ports fills its own page and no other.
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
const mostOfOneObject = 20
/** The same thing is written at most once in this time. */
export const repeatMs = 600_000
/** The API server forgets an event after an hour (its `--event-ttl`); what has not happened for that long begins anew. */
const forgetMs = 3_600_000

export class EventBook {
  readonly #entries = new Map<string, Entry>()
  readonly #ofObject = new Map<string, number>()

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
    const object = objectOf(occurrence)
    const ofObject = this.#ofObject.get(object) ?? 0
    if (this.#entries.size >= mostEntries || ofObject >= mostOfOneObject) return 'full'
    const salt = occurrence.isShared ? String(Math.floor(nowMs / forgetMs)) : String(nowMs)
    const entry = { occurrence, name: eventName(occurrence, salt), count: 1, firstMs: nowMs, lastMs: nowMs, told: 0, toldMs: nowMs, isThere: false, isQueued: false }
    this.#entries.set(key, entry)
    this.#ofObject.set(object, ofObject + 1)
    return entry
  }

  /** Those that have happened again since they were written, long enough ago. What is over is forgotten. */
  due (nowMs: number): Entry[] {
    for (const [key, entry] of this.#entries) if (nowMs - endOf(entry) >= forgetMs) this.#forget(key, entry)
    return [...this.#entries.values()].filter(({ occurrence, count, told, toldMs }) => !occurrence.isShared && count > told && nowMs - toldMs >= repeatMs)
  }

  #forget (key: string, { occurrence }: Entry): void {
    this.#entries.delete(key)
    const object = objectOf(occurrence)
    const left = (this.#ofObject.get(object) ?? 1) - 1
    if (left === 0) this.#ofObject.delete(object)
    else this.#ofObject.set(object, left)
  }
}

/** One that all agents see is told anew each hour by whoever comes first, however often it was seen. */
function endOf ({ occurrence: { isShared }, firstMs, lastMs }: Entry): number {
  return isShared ? firstMs : lastMs
}

function objectOf ({ about: { kind, namespace, name, uid } }: Occurrence): string {
  return [kind, namespace, name, uid].join('\0')
}

function keyOf (occurrence: Occurrence): string {
  return [objectOf(occurrence), occurrence.reason, occurrence.sort].join('\0')
}
