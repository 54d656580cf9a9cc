/** What is kept of a namespace. */

import { textAt, textsAt } from './json.ts'
import type { Labels } from '../../model/labels.ts'

export interface NamespaceFacts {
  readonly labels: Labels
  /** It is being deleted. */
  readonly isGoing: boolean
}

export function namespaceFactsOf (object: unknown): NamespaceFacts {
  return { labels: textsAt(object, 'metadata', 'labels'), isGoing: textAt(object, 'metadata', 'deletionTimestamp') !== '' }
}

/** Tells namespaces that are gone from those that never were. */
export class Departures {
  readonly #seen = new Set<string>()

  /** Whether a namespace is about to go, or is gone after it was asked for while it was there. */
  isGoing (name: string, namespaces: ReadonlyMap<string, NamespaceFacts>): boolean {
    const facts = namespaces.get(name)
    if (facts === undefined) return this.#seen.has(name)
    this.#seen.add(name)
    return facts.isGoing
  }
}
