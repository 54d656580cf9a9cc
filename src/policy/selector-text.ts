/**
 * Label selectors as kubectl takes them: `app=web,tier in (fe,be),!canary,replicas>2`.
 * Grammar: k8s.io/apimachinery/pkg/labels/selector.go.
 */

import { PolicyError } from './error.ts'
import { whyNotLabelKey, whyNotLabelValue } from './names.ts'
import { Place } from './reader.ts'
import { isInteger, readSelector, selects, selectsNothing } from './selector.ts'
import type { Labels } from '../model/labels.ts'
import type { Requirement, Selector } from './selector.ts'

const comparisons = { '=': 'in', '==': 'in', '!=': 'not-in', '>': 'greater', '<': 'less' } as const
const maxLength = 4096

/** Throws PolicyError `selector-invalid` when the text is no selector. The empty text selects everything. */
export function parseSelector (text: string): Selector {
  if (text.length > maxLength) throw invalid(`${text.slice(0, 40)}…`, `longer than ${maxLength} characters`)
  if (text.trim() === '') return []
  return splitOutsideParentheses(text).map(part => parseRequirement(part.trim()))
}

/** Reads a `metav1.LabelSelector` on its own; an absent one selects nothing. Throws PolicyError `selector-invalid`. */
export function parseLabelSelector (value: unknown): Selector {
  const place = new Place(value)
  if (!place.present) return selectsNothing
  const selector = readSelector(place)
  const [first] = place.problems
  if (first !== undefined) throw new PolicyError(`${first.path}: ${first.reason}`, { code: 'selector-invalid', path: first.path })
  return selector
}

/** Whether `labels` meet every requirement of `selector`. */
export function selectsLabels (selector: Selector, labels: Labels): boolean {
  return selects(selector, labels, 'label')
}

/** At commas, but not at those between parentheses; what is unbalanced stays in one part and is refused there. */
function splitOutsideParentheses (text: string): string[] {
  const parts = ['']
  let depth = 0
  for (const char of text) {
    depth += char === '(' ? 1 : char === ')' ? -1 : 0
    if (char === ',' && depth === 0) parts.push('')
    else parts.push(`${parts.pop() ?? ''}${char}`)
  }
  return parts
}

function parseRequirement (text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text)
  if (set !== null) return checked(text, set[1] ?? '', set[2] === 'in' ? 'in' : 'not-in', (set[3] ?? '').split(',').map(value => value.trim()))
  const comparison = /^([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>()]*)$/.exec(text)
  if (comparison !== null) {
    const operator = comparisons[comparison[2] as keyof typeof comparisons] // the pattern lists exactly these
    return checked(text, comparison[1] ?? '', operator, [comparison[3] ?? ''])
  }
  const absent = /^!\s*(\S+)$/.exec(text)
  return absent === null ? checked(text, text, 'exists', []) : checked(text, absent[1] ?? '', 'absent', [])
}

function checked (text: string, key: string, operator: Requirement['operator'], values: readonly string[]): Requirement {
  const whyNotValue = operator === 'greater' || operator === 'less' ? whyNotInteger : whyNotLabelValue
  const reason = whyNotLabelKey(key) ?? values.map(whyNotValue).find(why => why !== undefined)
  if (reason !== undefined) throw invalid(text, reason)
  return { key, operator, values }
}

function whyNotInteger (text: string): string | undefined {
  return isInteger(text) ? undefined : 'a whole number is expected'
}

function invalid (text: string, reason: string): PolicyError {
  return new PolicyError(`selector ${JSON.stringify(text)}: ${reason}`, { code: 'selector-invalid' })
}
