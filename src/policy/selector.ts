/**
 * Label selectors (k8s.io/apimachinery/pkg/labels): parsed once, matched often.
 *
 * A selector is a list of requirements that must all hold; the empty one matches everything. `NotIn` and
 * `DoesNotExist` match labels that lack the key.
 */

import { whyNotLabelKey, whyNotLabelValue } from './names.ts'
import type { Labels } from '../model/labels.ts'
import type { Place } from './reader.ts'
import type { Trace } from './trace.ts'

export type Operator =
  | 'in' | 'not-in' | 'exists' | 'absent'
  | 'prefix'                     // AccessPolicy `StartsWith`: the value begins with one of `values`
  | 'greater' | 'less'           // only in the text form
  | 'unsigned'                   // the key is not signed: what it holds for a peer is unknown

export interface Requirement {
  readonly key: string
  readonly operator: Operator
  readonly values: readonly string[]
}

export type Selector = readonly Requirement[]

/** What an absent selector is where Kubernetes gives it no other meaning (`LabelSelectorAsSelector(nil)`). */
export const selectsNothing: Selector = [{ key: '', operator: 'in', values: [] }]

const operators = { In: 'in', NotIn: 'not-in', Exists: 'exists', DoesNotExist: 'absent', StartsWith: 'prefix' } as const satisfies Record<string, Operator>
const standardNames = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const
/** As the schema of AccessPolicy says, which must bound what its rules cost the API server. */
const maxExpressions = 20
const allNames = [...standardNames, 'StartsWith'] as const

/** Reads a present `metav1.LabelSelector`; `prefixes` also allows `StartsWith`. Requirements are sorted by key. */
export function readSelector (place: Place, { prefixes = false }: { prefixes?: boolean } = {}): Selector {
  place.record(['matchLabels', 'matchExpressions'])
  const labels = readMatchLabels(place.at('matchLabels'))
  const expressions = place.at('matchExpressions').items(prefixes ? { most: maxExpressions } : {}).map(item => readExpression(item, prefixes))
  return [...labels, ...expressions.filter(one => one !== undefined)].sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
}

function readMatchLabels (place: Place): Requirement[] {
  if (!place.present) return []
  if (!place.isRecord) { place.refuse('an object is expected'); return [] }
  return place.keys().map(key => {
    const reason = whyNotLabelKey(key)
    if (reason !== undefined) place.at(key).refuse(reason)
    return { key, operator: 'in' as const, values: [place.at(key).text(whyNotLabelValue) ?? ''] }
  })
}

function readExpression (place: Place, prefixes: boolean): Requirement | undefined {
  if (!place.record(['key', 'operator', 'values'])) return undefined
  const key = place.at('key').text(whyNotLabelKey)
  const name = place.at('operator').oneOf(prefixes ? allNames : standardNames)
  if (key === undefined || name === undefined) return undefined
  const list = place.at('values')
  const values = list.texts(name === 'StartsWith' ? whyNotPrefix : whyNotLabelValue)
  if (name === 'Exists' || name === 'DoesNotExist') {
    if (list.items().length > 0) return list.refuse(`${name} takes no values`)
  } else if (list.items().length === 0) {
    return list.refuse(`${name} needs at least one value`)
  }
  return { key, operator: operators[name], values }
}

/** A prefix may end where a whole value may not, e.g. `web-`. An empty one would be `Exists` in disguise. */
function whyNotPrefix (prefix: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(prefix) ? undefined : 'a prefix is 1 to 63 letters, digits, "-", "_" or ".", beginning with a letter or digit'
}

/** Whether `labels` meet every requirement; tells `trace` the first that they do not. `of` names whose labels these are. */
export function selects (selector: Selector, labels: Labels, of: string, trace?: Trace): boolean {
  for (const requirement of selector) {
    if (!holds(requirement, labels)) return trace?.no(`${of} ${formatRequirement(requirement)} does not hold: ${shown(requirement.key, labels)}`) ?? false
  }
  return true
}

function holds ({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = valueOf(labels, key)
  switch (operator) {
    case 'in': return value !== undefined && values.includes(value)
    case 'not-in': return value === undefined || !values.includes(value)
    case 'exists': return value !== undefined
    case 'absent': return value === undefined
    case 'prefix': return value !== undefined && values.some(prefix => value.startsWith(prefix))
    case 'greater': return value !== undefined && isInteger(value) && BigInt(value) > BigInt(values[0] ?? 0)
    case 'less': return value !== undefined && isInteger(value) && BigInt(value) < BigInt(values[0] ?? 0)
    case 'unsigned': return false
  }
}

/**
 * The value of a label. What an object inherits (`constructor`, `toString`) is no text, so asking the type tells it
 * from a label of that name, at a third of the cost of asking for an own property.
 */
function valueOf (labels: Labels, key: string): string | undefined {
  const value: unknown = labels[key]
  return typeof value === 'string' ? value : undefined
}

/** What `Gt` and `Lt` compare: 64-bit integers there, any here, but not longer than a label value. */
export function isInteger (text: string): boolean {
  return /^[+-]?\d{1,63}$/.test(text)
}

function shown (key: string, labels: Labels): string {
  const value = valueOf(labels, key)
  return value === undefined ? 'there is none' : `it is ${JSON.stringify(value)}`
}

/** `app in (web,api)`, `!app`, `app=web`: as kubectl writes it. */
export function formatRequirement ({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'in': return values.length === 1 ? `${key}=${values[0] ?? ''}` : `${key} in (${values.join(',')})`
    case 'not-in': return values.length === 1 ? `${key}!=${values[0] ?? ''}` : `${key} notin (${values.join(',')})`
    case 'exists': return key
    case 'absent': return `!${key}`
    case 'prefix': return `${key} startswith (${values.join(',')})`
    case 'greater': return `${key}>${values[0] ?? ''}`
    case 'less': return `${key}<${values[0] ?? ''}`
    case 'unsigned': return `${key} (not signed, so unknown)`
  }
}

/** The whole selector as text; empty for the one that matches everything. */
export function formatSelector (selector: Selector): string {
  return selector.map(formatRequirement).join(',')
}
