/** Why one flow is allowed or denied: both ends' walk through tiers and rules, with the reason at each. */

import { formatRuleName } from '../model/verdict.ts'
import { judgeFlow, questionOf, showRef } from '../policy/index.ts'
import { flowLine } from './evaluate.ts'
import { printable } from './table.ts'
import type { Protocol } from '../model/workload.ts'
import type { ExplainedStep, Flow, PolicyDirection } from '../policy/index.ts'
import type { NamedEndpoint } from './endpoint-text.ts'
import type { FlowLine } from './evaluate.ts'
import type { Inventory } from './inventory.ts'

export interface ExplainedFlow extends FlowLine {
  readonly source: string
  readonly destination: string
  readonly protocol: Protocol
  readonly port: number
  /** The walk at each end; empty where no policy has that end as its subject. */
  readonly walks: readonly ExplainedWalk[]
}

export interface ExplainedWalk {
  readonly direction: PolicyDirection
  /** Whose policies these are. */
  readonly subject: string
  readonly steps: readonly StepLine[]
  /** The policies that isolate the subject in this direction. */
  readonly isolatedBy: readonly string[]
  /** As if observing rules were enforced; empty when none concerns the subject. */
  readonly observedSteps: readonly StepLine[]
  /** Policies that might have been meant for the subject and do not select it. */
  readonly notSelecting: readonly { readonly policy: string, readonly why: string }[]
  /** How the connection has to be carried, where a rule asks for it. */
  readonly requiredMode: string
}

export interface StepLine {
  readonly tier: string
  readonly rule: string
  readonly description: string
  readonly action: string
  readonly matched: boolean
  /** Why it did not match. */
  readonly why: string
}

/** What is asked about. */
export interface AskedFlow {
  readonly source: NamedEndpoint
  readonly destination: NamedEndpoint
  readonly protocol: Protocol
  readonly port: number
}

export function explainFlow ({ source, destination, protocol, port }: AskedFlow, inventory: Inventory): ExplainedFlow {
  const { set, context: { nowMs } } = inventory
  const flow: Flow = { source: source.endpoint, destination: destination.endpoint, protocol, port }
  const walks = [walkOf(flow, 'egress', source.name, inventory), walkOf(flow, 'ingress', destination.name, inventory)].filter(walk => walk !== undefined)
  return { source: source.name, destination: destination.name, protocol, port, ...flowLine(judgeFlow(set, flow, nowMs)), walks }
}

function walkOf (flow: Flow, direction: PolicyDirection, subject: string, { set, context }: Inventory): ExplainedWalk | undefined {
  const question = questionOf(flow, direction, context.nowMs)
  if (question === undefined) return undefined
  const { decision, steps, isolatedBy, observedSteps, others } = set.explain(question)
  return {
    direction,
    subject,
    steps: steps.map(stepLine),
    isolatedBy: isolatedBy.map(showRef),
    observedSteps: observedSteps.map(stepLine),
    notSelecting: others.map(({ policy, why }) => ({ policy: showRef(policy), why })),
    requiredMode: decision.requiredMode ?? '',
  }
}

function stepLine ({ layer, rule, description, action, observe, matched, why }: ExplainedStep): StepLine {
  return { tier: layer, rule: formatRuleName(rule), description, action: observe ? `observe ${action}` : action, matched, why }
}

/** For a terminal: both walks from top to bottom, then the verdict. */
export function explanationText (explained: ExplainedFlow): string {
  const { source, destination, protocol, port, allowed, observed } = explained
  const lines = [
    `${source} to ${destination}, ${protocol} ${port}: ${allowed ? 'ALLOWED' : 'DENIED'}`,
    ...directions.flatMap(direction => ['', ...directionText(explained, direction)]),
  ]
  if (observed !== null) {
    const ends = directions.map(direction => `${direction} ${observed[direction].verdict} by ${observed[direction].decidedBy}`)
    lines.push('', `If observing rules were enforced: ${observed.allowed ? 'allowed' : 'denied'} (${ends.join(', ')})`)
  }
  return lines.map(line => `${printable(line)}\n`).join('')
}

const directions = ['egress', 'ingress'] as const satisfies readonly PolicyDirection[]

function directionText (explained: ExplainedFlow, direction: PolicyDirection): string[] {
  const { verdict, reason } = explained[direction]
  const walk = explained.walks.find(one => one.direction === direction)
  const subject = walk?.subject ?? (direction === 'egress' ? explained.source : explained.destination)
  const head = `${direction} of ${subject}: ${verdict}`
  const mode = walk === undefined || walk.requiredMode === '' ? '' : `; it must be carried by ${walk.requiredMode}`
  return [head, ...(walk === undefined ? [] : walkText(walk)), `  => ${reason}${mode}`]
}

function walkText ({ steps, isolatedBy, observedSteps, notSelecting }: ExplainedWalk): string[] {
  return [
    ...(isolatedBy.length === 0 ? [] : [`  isolated by ${isolatedBy.join(', ')}`]),
    ...steps.flatMap(stepText),
    ...(observedSteps.length === 0 ? [] : ['  with observing rules enforced:', ...observedSteps.flatMap(stepText).map(line => `  ${line}`)]),
    ...notSelecting.map(({ policy, why }) => `  -  ${policy} does not select it: ${why}`),
  ]
}

function stepText ({ tier, rule, description, action, matched, why }: StepLine): string[] {
  const told = description === '' ? '' : ` (${description})`
  return [`  ${matched ? '->' : '  '} ${tier.padEnd(8)}  ${rule}${told}: ${matched ? `${action} matches` : `${action} does not match: ${why}`}`]
}
