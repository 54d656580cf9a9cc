/** A suggestion for people: what stands behind each rule, beside it or as a table. */

import { showRef } from '../../policy/index.ts'
import { formatRanges } from '../ports.ts'
import { counted, formatTable, printable } from '../table.ts'
import type { Evidence } from './policies.ts'
import type { Suggestion } from './suggest.ts'

/** A comment at a place of a policy. */
export interface PlacedComment {
  readonly path: readonly (string | number)[]
  readonly text: string
}

/** Each policy with a comment at each rule. */
export function commentedPolicies ({ policies, evidence }: Suggestion): { readonly value: unknown, readonly comments: PlacedComment[] }[] {
  return policies.map(policy => {
    const own = evidence.filter(({ kind, name, namespace }) => kind === policy.kind && name === policy.metadata.name && namespace === (policy.metadata.namespace ?? ''))
    return { value: policy, comments: own.map(one => ({ path: pathOf(one), text: evidenceText(one) })) }
  })
}

function pathOf ({ rule }: Evidence): (string | number)[] {
  const [, direction = '', i] = /^(\w+)\[(\d+)\]$/.exec(rule) ?? []
  return ['spec', direction, Number(i)]
}

function evidenceText ({ allows, connections, first, last, examples }: Evidence): string {
  return `${allows}: ${counted(connections, 'connection')}, ${first} to ${last}, such as ${examples.join(', ')}`
}

export function suggestionTable (suggestion: Suggestion): string {
  const rows = suggestion.evidence.map(one => [showRef(one), one.rule, one.allows, String(one.connections), one.first, one.last])
  return `${rows.length === 0 ? '' : formatTable(['POLICY', 'RULE', 'ALLOWS', 'SEEN', 'FIRST', 'LAST'], rows)}${suggestionNotes(suggestion)}`
}

/** What else has to be known, one line each. */
export function suggestionNotes ({ policies, alsoAllowed, notAllowed, notes }: Suggestion): string {
  return [
    `${counted(policies.length, 'policy', 'policies')}; ${alsoAllowed.length === 0 ? 'among the parties that are known nothing else is allowed' : 'also allowed:'}`,
    ...alsoAllowed.map(({ source, destination, ports }) => `  ${source} to ${destination}: ${formatRanges(ports)}`),
    ...notAllowed.map(flow => `NOT allowed: ${flow}: no policy can tell its ends apart`),
    ...notes.map(note => `note: ${note}`),
  ].map(line => `${printable(line)}\n`).join('')
}
