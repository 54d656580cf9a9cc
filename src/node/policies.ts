/** The policies that are enforced now: from the manifests of a source, with what is wrong told. */

import { formatRef, PolicyStore, parseManifests } from '../policy/index.ts'
import type { Manifest } from '../cluster/index.ts'
import type { Log, Metrics, Readiness } from '../observe/index.ts'
import type { CompileOptions, Finding, InvalidObject, Policy, PolicySet, ReadObjects } from '../policy/index.ts'

export interface PoliciesParts {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
}

export interface PoliciesOptions extends CompileOptions {
  /** Labels that no certificate carries: a selector that names one is reported. */
  readonly unsignedLabels: readonly string[]
}

export class Policies {
  readonly #parts: PoliciesParts
  readonly #options: PoliciesOptions
  readonly #store: PolicyStore
  /** Of ten thousand policies one has changed: the others keep their objects, and need no thought. */
  readonly #known: ReadObjects = new WeakMap()
  #enforced = new Map<string, Policy>()
  #invalid: readonly InvalidObject[] = []
  #findings: readonly Finding[] = []
  #troubled: readonly string[] = []

  constructor (manifests: readonly Manifest[], options: PoliciesOptions, parts: PoliciesParts) {
    this.#parts = parts
    this.#options = options
    this.#store = new PolicyStore(options)
    this.replace(manifests)
  }

  current (): PolicySet { return this.#store }

  /** What is wrong now. */
  get invalid (): readonly InvalidObject[] { return this.#invalid }
  /** What is valid and will probably not do what its author wants. */
  get findings (): readonly Finding[] { return this.#findings }

  /** Enforces these manifests from now on. An invalid one keeps its subject closed, and is told. */
  replace (manifests: readonly Manifest[]): void {
    const { policies, invalid, findings } = parseManifests(manifests.map(({ object }) => object), { ...this.#options, known: this.#known })
    const wanted = new Map(policies.map(policy => [formatRef(policy.ref), policy]))
    const gone = [...this.#enforced].filter(([name]) => !wanted.has(name)).map(([, { ref }]) => ref)
    this.#store.apply({ put: [...wanted].filter(([name, policy]) => this.#enforced.get(name) !== policy).map(([, policy]) => policy), remove: gone })
    this.#enforced = wanted
    this.#invalid = invalid
    this.#findings = findings
    this.#tellInvalid()
    for (const finding of findings) this.#parts.log.warn('a policy will probably not do what it says', { ...finding })
    this.#parts.metrics.policyEnforced(this.#store.revision, policies.length)
    this.#parts.log.info('policies are enforced', { revision: this.#store.revision, policies: policies.length, invalid: invalid.length })
  }

  /** Sorted, for people. */
  dump (): object[] {
    const valid = this.#store.policies.map(({ ref }) => ({ policy: nameOf(ref), invalid: this.#invalid.filter(one => nameOf(one) === nameOf(ref)).map(({ path, reason }) => `${path}: ${reason}`) }))
    return valid.sort((a, b) => a.policy < b.policy ? -1 : 1)
  }

  #tellInvalid (): void {
    const { log, readiness, metrics } = this.#parts
    for (const name of this.#troubled) readiness.settled(name)
    const names = [...new Set(this.#invalid.map(nameOf))]
    this.#troubled = names.map(name => `policy ${name}`)
    metrics.policiesInvalid(names)
    for (const one of this.#invalid) {
      readiness.trouble(`policy ${nameOf(one)}`, `${one.path}: ${one.reason}`)
      log.error('an invalid policy keeps the pods that it selects closed', { policy: nameOf(one), path: one.path, value: one.value, reason: one.reason })
    }
  }
}

function nameOf ({ kind, namespace, name }: { readonly kind: string, readonly namespace: string, readonly name: string }): string {
  return [kind, namespace, name].filter(part => part !== '').join(' ')
}
