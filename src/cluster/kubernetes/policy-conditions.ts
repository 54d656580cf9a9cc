/**
 * Says in the status of each AccessPolicy whether it is understood: condition `Accepted`.
 *
 * All agents think so at the same moment, and one has to write it. Each waits for a while of its own (`spreadMs`) and then
 * looks whether it is written; the patch names the version that it was planned from, so of two that come at once the second
 * is refused, and nothing is stored twice. Agents that disagree, as in the middle of an upgrade, do not fight: who finds an
 * answer to this generation of the policy lets it stand. Only an agent that has just started corrects what was there
 * before it, once: so the last word is that of the newest version.
 */

import { backoffMs } from '../../lib/backoff.ts'
import { spreadMs } from '../../lib/spread.ts'
import { ClusterError } from '../error.ts'
import { acceptedType } from './policy-object.ts'
import { accessPolicies } from './resources.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Log, Metrics } from '../../observe/index.ts'
import type { Api } from './api.ts'
import type { PolicyObject } from './policy-object.ts'

/** What the agent thinks of a policy. */
export interface PolicyOpinion {
  readonly isValid: boolean
  /** One line for each problem; of a valid policy what will probably not do what its author wants. */
  readonly problems: readonly string[]
}

export interface PolicyConditionsParts {
  readonly api: Pick<Api, 'request'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'conditionEnded'>
  /** The AccessPolicies as they are now. */
  readonly policies: () => readonly PolicyObject[]
  /** Of one that was among them. */
  readonly opinionOf: (policy: PolicyObject) => PolicyOpinion
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

interface Plan {
  readonly generation: number
  /** Something was said of this generation before we were there. */
  readonly mayCorrect: boolean
  timer: Timer | undefined
  attempt: number
}

const mostDelayMs = 5000
const requestMs = 10_000
/** Of the message; the schema has room for more. */
const mostMessage = 1000

export class PolicyConditions implements Disposable {
  readonly #parts: PolicyConditionsParts
  readonly #plans = new Map<string, Plan>()
  readonly #end = new AbortController()

  constructor (parts: PolicyConditionsParts) {
    this.#parts = parts
  }

  /** To be called when policies have changed, and now and then: somebody may have taken a status away. */
  review (): void {
    const policies = this.#parts.policies()
    const names = new Set(policies.map(({ name }) => name.name))
    for (const [name, { timer }] of this.#plans) if (!names.has(name)) { timer?.cancel(); this.#plans.delete(name) }
    for (const policy of policies) this.#consider(policy)
  }

  [Symbol.dispose] (): void {
    this.#end.abort(new Error('stopped'))
    for (const { timer } of this.#plans.values()) timer?.cancel()
  }

  #consider (policy: PolicyObject): void {
    const { name: { name }, generation, accepted } = policy
    const known = this.#plans.get(name)
    if (known?.generation === generation && (known.timer !== undefined || accepted?.generation === generation)) return
    known?.timer?.cancel()
    const plan = { generation, mayCorrect: known === undefined && accepted?.generation === generation, timer: undefined, attempt: 0 }
    this.#plans.set(name, plan)
    if (this.#wanted(policy, plan) !== undefined) this.#later(name, plan, spreadMs(mostDelayMs, this.#parts.random ?? Math.random))
  }

  #later (name: string, plan: Plan, ms: number): void {
    plan.timer = this.#parts.clock.after(ms, () => { void this.#carryOut(name, plan) })
  }

  /** Never rejects. */
  async #carryOut (name: string, plan: Plan): Promise<void> {
    const { log, metrics, random = Math.random } = this.#parts
    const policy = this.#parts.policies().find(policy => policy.name.name === name)
    const wanted = policy === undefined || policy.generation !== plan.generation ? undefined : this.#wanted(policy, plan)
    if (wanted === undefined) { plan.timer = undefined; return }
    try {
      await this.#parts.api.request(`${accessPolicies.path}/${encodeURIComponent(name)}/status`, {
        method: 'PATCH', query: { fieldManager: 'liburna-agent', force: 'true' }, contentType: 'application/apply-patch+yaml', body: wanted,
        signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(requestMs)]),
      })
      plan.timer = undefined
      metrics.conditionEnded('written')
    } catch (error) {
      if (this.#end.signal.aborted) return
      const isOvertaken = error instanceof ClusterError && error.status === 409
      metrics.conditionEnded(isOvertaken ? 'overtaken' : 'failed')
      if (!isOvertaken) log.debug('a condition could not be written; it is tried again', { policy: name, error })
      // Overtaken by somebody who said the same, mostly: the next look will tell.
      this.#later(name, plan, backoffMs(plan.attempt++, { firstMs: 1000, mostMs: 300_000, random }))
    }
  }

  /** What is to be applied; `undefined` when what is there may stand. */
  #wanted (policy: PolicyObject, { mayCorrect }: Plan): object | undefined {
    const { name: { apiVersion, kind, name }, generation, version, accepted } = policy
    const { isValid, problems } = this.#parts.opinionOf(policy)
    const said = { status: isValid ? 'True' : 'False', reason: isValid ? 'Accepted' : 'Invalid', message: messageOf(isValid, problems) }
    const isSame = accepted !== undefined && accepted.status === said.status && accepted.reason === said.reason && accepted.message === said.message
    if (accepted?.generation === generation && (isSame || !mayCorrect)) return undefined
    const since = accepted?.status === said.status && accepted.sinceText !== '' ? accepted.sinceText : new Date(this.#parts.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    return {
      apiVersion, kind, metadata: { name, resourceVersion: version },
      status: { conditions: [{ type: acceptedType, ...said, observedGeneration: generation, lastTransitionTime: since }] },
    }
  }
}

function messageOf (isValid: boolean, problems: readonly string[]): string {
  const text = [isValid ? 'agents enforce it' : 'agents keep the pods that it selects closed', ...problems].join('; ')
  return text.length > mostMessage ? `${text.slice(0, mostMessage - 2)} …` : text
}
