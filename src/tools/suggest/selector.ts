/** The shortest selector that hits some roles of a namespace and none of the others that are known. */

import type { Labels } from '../../model/labels.ts'

interface Labelled {
  readonly labels: Labels
  readonly serviceAccount: string
}

/** A `metav1.LabelSelector`. */
export interface LabelSelector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly { readonly key: string, readonly operator: 'In' | 'DoesNotExist', readonly values?: readonly string[] }[]
}

export interface Selection {
  readonly selector: LabelSelector
  /** Needed where labels alone would hit others; no standard policy can say it. */
  readonly serviceAccounts?: readonly string[]
}

/** Labels that say what a workload is come first. */
const preferred = ['app.kubernetes.io/name', 'app', 'k8s-app', 'app.kubernetes.io/component', 'component', 'name', 'role', 'tier']

/**
 * One label that all have, one of several values, two, all that they have in common; for a single role also by the
 * labels that it lacks, and at last by service account. `undefined` when several roles need more than one selector.
 */
export function selectorOf (wanted: readonly Labelled[], others: readonly Labelled[]): Selection | undefined {
  const found = candidates(wanted).find(selector => !others.some(({ labels }) => hits(selector, labels)))
  if (found !== undefined) return { selector: found }
  const [single, second] = wanted
  return single === undefined || second !== undefined ? undefined : exactly(single, others)
}

/** A label that says what a workload is comes before one such as a version, which many workloads could have. */
function * candidates (wanted: readonly Labelled[]): Generator<LabelSelector, void> {
  const common = commonLabels(wanted)
  const keys = Object.keys(common).sort(byRank)
  const telling = keys.filter(key => preferred.includes(key))
  const pick = (...some: string[]): LabelSelector => ({ matchLabels: Object.fromEntries(some.map(key => [key, common[key] ?? ''])) })
  const valuesOf = (key: string): string[] => [...new Set(wanted.map(({ labels }) => labels[key] ?? ''))].sort()
  const oneOf = (key: string): LabelSelector => ({ matchExpressions: [{ key, operator: 'In', values: valuesOf(key) }] })
  const varying = sharedKeys(wanted).filter(key => !keys.includes(key)).sort(byRank)
  for (const key of telling) yield pick(key)
  for (const key of varying.filter(key => preferred.includes(key))) yield oneOf(key)
  for (const key of telling) {
    for (const other of keys.filter(other => other !== key)) yield pick(key, other)
  }
  for (const key of keys) yield pick(key)
  for (const key of varying) yield oneOf(key)
  if (keys.length > 1) yield pick(...keys)
}

/** No other role has the same labels and the same service account, so this always tells it apart. */
function exactly ({ labels, serviceAccount }: Labelled, others: readonly Labelled[]): Selection {
  const alike = others.filter(other => hits({ matchLabels: labels }, other.labels))
  const lacking = [...new Set(alike.flatMap(other => Object.keys(other.labels)))].filter(key => !Object.hasOwn(labels, key)).sort()
  const selector: LabelSelector = {
    ...(Object.keys(labels).length === 0 ? {} : { matchLabels: labels }),
    ...(lacking.length === 0 ? {} : { matchExpressions: lacking.map(key => ({ key, operator: 'DoesNotExist' as const })) }),
  }
  const isShared = others.some(other => hits(selector, other.labels))
  return isShared ? { selector, serviceAccounts: [serviceAccount] } : { selector }
}

export function hits ({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => operator === 'In' ? values.includes(labels[key] ?? '') && Object.hasOwn(labels, key) : !Object.hasOwn(labels, key))
}

function commonLabels ([first, ...rest]: readonly Labelled[]): Labels {
  return Object.fromEntries(Object.entries(first?.labels ?? {}).filter(([key, value]) => rest.every(({ labels }) => labels[key] === value)))
}

function sharedKeys ([first, ...rest]: readonly Labelled[]): string[] {
  return Object.keys(first?.labels ?? {}).filter(key => rest.every(({ labels }) => Object.hasOwn(labels, key)))
}

function byRank (a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : 1)
}

function rank (key: string): number {
  const at = preferred.indexOf(key)
  return at < 0 ? preferred.length : at
}
