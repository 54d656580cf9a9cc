/**
 * Finds the policies that may select a workload without asking the others.
 *
 * Each policy is filed under one or a few keys that every workload it selects must have: its namespace and a label
 * value where the subject names them. Looking up a workload costs a handful of map look-ups however many policies
 * there are; the candidates are then asked exactly.
 */

import { formatRef } from './normal-form.ts'
import { matchesSubject } from './match-workload.ts'
import type { Labels } from '../model/labels.ts'
import type { Identity } from '../model/workload.ts'
import type { Policy, SubjectMatcher } from './normal-form.ts'
import type { Selector } from './selector.ts'

/** A subject that names more alternatives than this is filed more coarsely. */
const maxKeys = 32

export class SubjectIndex {
  readonly #files = new Map<string, Map<string, Policy>>()

  add (policy: Policy): void {
    for (const key of keysOf(policy.subject)) {
      const file = this.#files.get(key) ?? new Map<string, Policy>()
      this.#files.set(key, file.set(formatRef(policy.ref), policy))
    }
  }

  remove (policy: Policy): void {
    for (const key of keysOf(policy.subject)) {
      const file = this.#files.get(key)
      file?.delete(formatRef(policy.ref))
      if (file?.size === 0) this.#files.delete(key)
    }
  }

  /** The policies that have `subject` as their subject, in no particular order. */
  selecting (subject: Identity): Policy[] {
    const found: Policy[] = []
    for (const key of lookupKeys(subject)) {
      for (const policy of this.#files.get(key)?.values() ?? []) {
        if (matchesSubject(policy.subject, subject)) found.push(policy)
      }
    }
    return found
  }
}

/** Keys under which a policy is filed; each workload it selects has exactly one of them among its `lookupKeys`. */
function keysOf ({ namespaces, labels, namespaceLabels }: SubjectMatcher): string[] {
  const names = namespaces === undefined || namespaces.length > maxKeys ? undefined : unique(namespaces)
  const pairs = pairsOf(labels)
  if (names !== undefined && pairs !== undefined && names.length * pairs.length <= maxKeys) return names.flatMap(name => pairs.map(pair => `n:${name} ${pair}`))
  if (names !== undefined) return names.map(name => `n:${name}`)
  if (pairs !== undefined) return pairs.map(pair => `l:${pair}`)
  return pairsOf(namespaceLabels)?.map(pair => `s:${pair}`) ?? ['*']
}

function lookupKeys ({ attributes: { namespace, labels, namespaceLabels } }: Identity): string[] {
  const pairs = pairsIn(labels)
  const ofNamespace = pairsIn(namespaceLabels).map(pair => `s:${pair}`)
  return ['*', `n:${namespace}`, ...pairs.flatMap(pair => [`n:${namespace} ${pair}`, `l:${pair}`]), ...ofNamespace]
}

/** The `key=value` alternatives of the requirement with the fewest; none when nothing asks for a value. */
function pairsOf (selector: Selector | undefined): string[] | undefined {
  let best: string[] | undefined
  for (const { key, operator, values } of selector ?? []) {
    const better = operator === 'in' && values.length <= maxKeys && (best === undefined || values.length < best.length)
    if (better) best = unique(values).map(value => `${key}=${value}`)
  }
  return best
}

function pairsIn (labels: Labels): string[] {
  return Object.keys(labels).map(key => `${key}=${labels[key] ?? ''}`)
}

function unique (texts: readonly string[]): string[] {
  return [...new Set(texts)]
}
