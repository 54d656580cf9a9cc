/** The walk of one decision, told step by step. It is `walk` with a sink, so it says what `decide` did. */

import { nameOf } from './decision.ts'
import { matchesSubject } from './match-workload.ts'
import { Trace } from './trace.ts'
import { walk } from './walk.ts'
import type { Identity } from '../model/workload.ts'
import type { RuleName } from '../model/verdict.ts'
import type { PolicyDecision } from './decision.ts'
import type { Asked } from './match.ts'
import type { Policy, PolicyEntry, PolicyRef } from './normal-form.ts'
import type { DirectionView, Layers } from './view.ts'
import type { Layer } from './walk.ts'

/** One rule that was asked. */
export interface ExplainedStep {
  readonly layer: Layer
  readonly rule: RuleName
  readonly description: string
  readonly action: PolicyEntry['action']
  readonly observe: boolean
  readonly matched: boolean
  /** Why it did not match; empty when it did. */
  readonly why: string
}

export interface Explanation {
  readonly decision: PolicyDecision
  /** The rules in the order in which they were asked. */
  readonly steps: readonly ExplainedStep[]
  /** The policies that isolate the subject in this direction. */
  readonly isolatedBy: readonly PolicyRef[]
  /** The same walk as if observing rules were enforced; empty when none observes the subject. */
  readonly observedSteps: readonly ExplainedStep[]
  /** Policies that might have been meant for the subject but do not select it, and why; at most 20. */
  readonly others: readonly { readonly policy: PolicyRef, readonly why: string }[]
}

const maxOthers = 20

export function explainWalk (decision: PolicyDecision, { enforced, observed }: DirectionView, asked: Asked): Omit<Explanation, 'others'> {
  return {
    decision,
    steps: stepsOf(enforced, asked),
    isolatedBy: enforced.isolatedBy.map(({ ref }) => ref),
    observedSteps: observed === undefined ? [] : stepsOf(observed, asked),
  }
}

function stepsOf (layers: Layers, asked: Asked): ExplainedStep[] {
  const steps: ExplainedStep[] = []
  walk(layers, asked, ({ layer, entry, stage, why }) => {
    steps.push({ layer, rule: nameOf(entry), description: entry.description, action: entry.action, observe: entry.observe, matched: stage === 'matched', why })
  })
  return steps
}

/** Policies of the subject's namespace, or of the cluster, that have another subject. */
export function othersOf (policies: readonly Policy[], subject: Identity): Explanation['others'] {
  const others: { policy: PolicyRef, why: string }[] = []
  for (const { ref, subject: matcher } of policies) {
    if (others.length === maxOthers) break
    if (ref.namespace !== '' && ref.namespace !== subject.attributes.namespace) continue
    const trace = new Trace()
    if (!matchesSubject(matcher, subject, trace)) others.push({ policy: ref, why: trace.take() })
  }
  return others
}
