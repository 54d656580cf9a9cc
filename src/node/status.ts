/**
 * What people should see at the objects of the cluster themselves: pods that are not enforced, annotations that cannot be
 * read, policies that are invalid. Looked for now and then, and told by whoever is given as `occurrences`, which
 * tells the same thing once in a while only.
 */

import { podName } from '../model/occurrence.ts'
import type { KubernetesSource, PolicyObject, PolicyOpinion } from '../cluster/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { NotEnforced, Occurrences } from '../observe/index.ts'
import type { InvalidObject } from '../policy/index.ts'
import type { EnforcedPod } from './enforced-pod.ts'
import type { Policies } from './policies.ts'

export interface NodeStatusParts {
  readonly source: Pick<KubernetesSource, 'pods' | 'waiting' | 'badAnnotations' | 'policyObjects' | 'onChange'>
  readonly policies: Pick<Policies, 'invalid' | 'findings'>
  readonly conditions: { readonly review: () => void }
  readonly occurrences: Occurrences
  readonly clock: Clock
}

/** How often it is looked. */
const lookMs = 30_000
/** A pod that starts has so long to get its network before it counts as exposed. */
const startingMs = 60_000

export class NodeStatus implements Disposable {
  readonly #parts: NodeStatusParts
  readonly #waitingSinceMs = new Map<string, number>()
  readonly #unsubscribe: () => void
  #timer: Timer | undefined

  /** Begins to look. To be made when `policies` follows the source already: it hears of a change after them. */
  constructor (parts: NodeStatusParts) {
    this.#parts = parts
    this.#unsubscribe = parts.source.onChange(({ kind }) => { if (kind === 'manifests-replaced') this.#reviewPolicies() })
    this.#look()
  }

  [Symbol.dispose] (): void {
    this.#timer?.cancel()
    this.#unsubscribe()
  }

  #look (): void {
    this.#reviewPolicies()
    this.#reviewWaiting()
    this.#reviewAnnotations()
    this.#timer = this.#parts.clock.after(lookMs, () => { this.#look() })
  }

  #reviewPolicies (): void {
    const { policies: { invalid }, source, conditions, occurrences } = this.#parts
    conditions.review()
    const byName = Map.groupBy(invalid, nameOfRef)
    for (const { name } of byName.size === 0 ? [] : source.policyObjects()) {
      const problems = byName.get(nameOfRef(name))
      if (problems !== undefined) occurrences.tell({ about: name, reason: 'PolicyInvalid', note: linesOf(problems).join('; '), sort: '', isShared: true })
    }
  }

  #reviewWaiting (): void {
    const { source, clock, occurrences } = this.#parts
    const waiting = new Set(source.waiting())
    for (const key of this.#waitingSinceMs.keys()) if (!waiting.has(key)) this.#waitingSinceMs.delete(key)
    for (const key of waiting) if (!this.#waitingSinceMs.has(key)) this.#waitingSinceMs.set(key, clock.monotonic())
    const long = new Set([...this.#waitingSinceMs].filter(([, sinceMs]) => clock.monotonic() - sinceMs >= startingMs).map(([key]) => key))
    for (const pod of long.size === 0 ? [] : source.pods()) {
      if (long.has(`${pod.namespace}/${pod.name}`)) occurrences.tell({ about: podName(pod), reason: 'NotCaptured', note: 'nobody tells where its network is: either it has not started, or it runs uncaptured', sort: 'waiting', isShared: false })
    }
  }

  #reviewAnnotations (): void {
    const { source, occurrences } = this.#parts
    const bad = source.badAnnotations()
    for (const pod of bad.size === 0 ? [] : source.pods()) {
      for (const note of bad.get(`${pod.namespace}/${pod.name}`) ?? []) occurrences.tell({ about: podName(pod), reason: 'BadAnnotation', note, sort: note, isShared: false })
    }
  }
}

/** What the condition of a policy says. */
export function opinionOf ({ name }: PolicyObject, { invalid, findings }: Pick<Policies, 'invalid' | 'findings'>): PolicyOpinion {
  const problems = invalid.filter(one => nameOfRef(one) === nameOfRef(name))
  const isValid = problems.length === 0
  return { isValid, problems: linesOf(isValid ? findings.filter(one => nameOfRef(one) === nameOfRef(name)) : problems) }
}

/** Pods that are to be enforced and are not, by name, each with the first reason. */
export function notEnforced (waiting: readonly string[], pods: readonly EnforcedPod[]): { readonly pod: string, readonly why: NotEnforced }[] {
  return [
    ...waiting.map(pod => ({ pod, why: 'no-namespace' as const })),
    ...pods.filter(({ captured }) => !captured).map(({ workload: { key } }) => ({ pod: key, why: 'not-captured' as const })),
    ...pods.filter(({ captured, notAfterMs }) => captured && notAfterMs === undefined).map(({ workload: { key } }) => ({ pod: key, why: 'no-certificate' as const })),
  ]
}

function nameOfRef ({ kind, namespace, name }: Pick<InvalidObject, 'kind' | 'namespace' | 'name'>): string {
  return [kind, namespace, name].join(' ')
}

function linesOf (problems: readonly Pick<InvalidObject, 'path' | 'reason'>[]): string[] {
  return problems.map(({ path, reason }) => `${path}: ${reason}`)
}
