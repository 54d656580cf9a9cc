/** A set of policies that answers questions, and takes single changes without touching what did not change. */

import { nextChange } from './active-time.ts'
import { decisionOf, withoutPolicy } from './decision.ts'
import { explainWalk, othersOf } from './explain.ts'
import { ask } from './match.ts'
import { formatRef } from './normal-form.ts'
import { SubjectIndex } from './subject-index.ts'
import { comparePolicies, viewOf } from './view.ts'
import type { Identity } from '../model/workload.ts'
import type { PolicyDecision } from './decision.ts'
import type { Explanation } from './explain.ts'
import type { ClusterName } from './match.ts'
import type { Policy, PolicyEntry, PolicyRef } from './normal-form.ts'
import type { Question } from './question.ts'
import type { SubjectView } from './view.ts'

export interface CompileOptions {
  /** Clusters whose pods standard policies' selectors may match as if they were of the subject's own cluster. @default [] */
  readonly sameness?: readonly ClusterName[]
  /** Where these policies apply; a workload of another cluster is nobody's subject. @default every workload asked about */
  readonly home?: ClusterName
  /**
   * Whether connections from the pod's own node are always let in, as Kubernetes does for the kubelet's probes.
   * The peer is then known by its address alone: where a NodePort or load balancer rewrites sources to the node's
   * address, strangers come in too. Keep it off, and allow the node by `ipBlock`, where that may happen. @default false
   */
  readonly ownNodeMayEnter?: boolean
}

/** Answers questions. Pure: the same question gets the same answer as long as `revision` is the same. */
export interface PolicySet {
  /** Grows with every change. */
  readonly revision: number
  decide (question: Question): PolicyDecision
  /** The same decision, with the walk that led to it. */
  explain (question: Question): Explanation
  /** The policies that have this workload as their subject, sorted as within a tier. */
  selecting (subject: Identity): readonly Policy[]
  /** The first moment after `nowMs` at which an answer may change by time alone, in ms; `Infinity` when never. */
  nextChangeMs (nowMs: number): number
}

export interface PolicyChange {
  /** New policies, and new versions of known ones. */
  readonly put?: readonly Policy[]
  readonly remove?: readonly PolicyRef[]
}

export class PolicyStore implements PolicySet {
  readonly #sameness: readonly ClusterName[]
  readonly #home: ClusterName | undefined
  readonly #ownNodeMayEnter: boolean
  readonly #policies = new Map<string, Policy>()
  readonly #index = new SubjectIndex()
  readonly #timed = new Map<string, readonly PolicyEntry[]>()
  /** Per workload object, what its policies come to. Emptied by every change; entries go with their workload. */
  #views = new WeakMap<Identity, SubjectView>()
  #revision = 0

  constructor ({ sameness = [], home, ownNodeMayEnter = false }: CompileOptions = {}) {
    this.#sameness = sameness
    this.#home = home
    this.#ownNodeMayEnter = ownNodeMayEnter
  }

  get revision (): number { return this.#revision }

  /** All policies, in no particular order. */
  get policies (): readonly Policy[] { return [...this.#policies.values()] }

  /** Costs what the changed policies cost, however many there are. */
  apply ({ put = [], remove = [] }: PolicyChange): void {
    for (const ref of remove) this.#remove(formatRef(ref))
    for (const policy of put) this.#put(policy)
    this.#views = new WeakMap()
    this.#revision++
  }

  decide (question: Question): PolicyDecision {
    const why = this.#whyNoPolicy(question)
    if (why !== undefined) return withoutPolicy(`default allow: ${why}`)
    return decisionOf(this.#viewOf(question.subject)[question.direction], ask(question, this.#sameness))
  }

  explain (question: Question): Explanation {
    const decision = this.decide(question)
    if (this.#whyNoPolicy(question) !== undefined) return { decision, steps: [], isolatedBy: [], observedSteps: [], others: [] }
    const walked = explainWalk(decision, this.#viewOf(question.subject)[question.direction], ask(question, this.#sameness))
    return { ...walked, others: othersOf(this.policies.toSorted(comparePolicies), question.subject) }
  }

  selecting (subject: Identity): readonly Policy[] {
    return this.#index.selecting(subject).sort(comparePolicies)
  }

  nextChangeMs (nowMs: number): number {
    let next = Infinity
    for (const entries of this.#timed.values()) {
      for (const { active } of entries) next = active === undefined ? next : Math.min(next, nextChange(active, nowMs))
    }
    return next
  }

  /** What the policies that select `subject` come to; remembered for as long as nothing changes. */
  #viewOf (subject: Identity): SubjectView {
    const known = this.#views.get(subject)
    if (known !== undefined) return known
    const view = viewOf(this.#index.selecting(subject))
    this.#views.set(subject, view)
    return view
  }

  /** Why no policy has a say in it, if none has. */
  #whyNoPolicy ({ direction, peer, facts, subject: { spiffeId, attributes } }: Question): string | undefined {
    const { trustDomain, cluster } = this.#home ?? { trustDomain: spiffeId.trustDomain, cluster: attributes.cluster }
    const fromNode = direction === 'ingress' && peer.kind === 'unverified' && peer.reason === 'node'
    if (facts?.subjectOnHostNetwork === true) return 'the pod is in its node\'s network, so no policy has it as its subject'
    if (trustDomain !== spiffeId.trustDomain || cluster !== attributes.cluster) return 'the pod is of another cluster, whose policies are not here'
    return this.#ownNodeMayEnter && fromNode ? 'the pod\'s own node may always reach it' : undefined
  }

  #put (policy: Policy): void {
    const key = formatRef(policy.ref)
    this.#remove(key)
    this.#policies.set(key, policy)
    this.#index.add(policy)
    const timed = policy.entries.filter(({ active }) => active !== undefined)
    if (timed.length > 0) this.#timed.set(key, timed)
  }

  #remove (key: string): void {
    const policy = this.#policies.get(key)
    if (policy === undefined) return
    this.#policies.delete(key)
    this.#index.remove(policy)
    this.#timed.delete(key)
  }
}

/** A set of these policies, ready to be asked. */
export function compile (policies: readonly Policy[], options: CompileOptions = {}): PolicyStore {
  const store = new PolicyStore(options)
  store.apply({ put: policies })
  return store
}
