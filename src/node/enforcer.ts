/** All workloads of the node under all policies, following a source of facts. */

import { formatSpiffeId } from '../model/spiffe-id.ts'
import { Revocation } from '../relay/index.ts'
import { EnforcedPod } from './enforced-pod.ts'
import type { ClusterChange, ClusterSource, LocalWorkload, Manifest } from '../cluster/index.ts'
import type { Timer } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { EnforcedPodOptions, EnforcedPodParts, WorkloadChange } from './enforced-pod.ts'
import type { Tenant } from './host-guard.ts'
import type { Policies } from './policies.ts'

export interface EnforcerParts extends EnforcedPodParts {
  readonly source: ClusterSource
  readonly policies: Policies
}

export class Enforcer {
  readonly #parts: EnforcerParts
  readonly #options: EnforcedPodOptions
  readonly #pods = new Map<string, EnforcedPod>()
  readonly #leaving = new Set<Promise<void>>()
  #unsubscribe: readonly Unsubscribe[] = []
  #nextChange: Timer | undefined
  #isRefusing = false

  constructor (options: EnforcedPodOptions, parts: EnforcerParts) {
    this.#options = options
    this.#parts = parts
  }

  /** Resolves when the rules of a workload are loaded; never for one that is not known. */
  async guarded (key: string): Promise<void> { await (this.#pods.get(key)?.guarded ?? new Promise(() => {})) }

  get pods (): readonly EnforcedPod[] { return [...this.#pods.values()] }

  /** Takes hold of every workload that the source knows, and follows it from now on. */
  start (): void {
    const { source, identity, node } = this.#parts
    for (const workload of source.workloads()) this.#add(workload)
    this.#judgeAgain()
    this.#unsubscribe = [
      source.onChange(change => { this.#follow(change) }),
      identity.trust.onChange(() => { node.registry.reprove() }),
    ]
  }

  /** Sorted by key, for people. */
  dump (): object[] {
    const rows = this.pods.map(({ workload: { key, netns, identity }, mode, state, notAfterMs, places }) => ({
      workload: key, netns, spiffeId: formatSpiffeId(identity.spiffeId), labels: identity.attributes.labels, mode, state, captured: state === 'captured',
      certificateEnds: notAfterMs === undefined ? '' : new Date(notAfterMs).toISOString(), connections: places.taken,
    }))
    return rows.sort((a, b) => a.workload < b.workload ? -1 : 1)
  }

  /** For the host guard, where the workloads are all the pods that there are. */
  tenants (): readonly Tenant[] {
    return this.pods.map(({ captured, workload: { key, netns } }) => ({ id: `${key} ${netns}`, netns, standing: captured ? 'armed' : 'closed' }))
  }

  /** From now on new connections are held by the rules, or another agent's, also those of pods that come; the ones that there are go on. */
  refuseNew (): void {
    this.#isRefusing = true
    for (const pod of this.#pods.values()) pod.refuseNew()
  }

  /** Connections that the kernel has accepted and nobody has taken from it yet. */
  get queued (): number { return this.pods.reduce((sum, { queued }) => sum + queued, 0) }

  /** Accepts nothing more. */
  stopListening (): void {
    for (const pod of this.#pods.values()) pod.stopListening()
  }

  /** Ends service everywhere. `keep`: the guard stays. */
  async stop (rules: 'disarm' | 'keep'): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#nextChange?.cancel()
    const why = new Revocation('shutdown', 'the agent stops')
    await Promise.all([...this.pods.map(pod => pod.leave(rules, why)), ...this.#leaving])
    this.#pods.clear()
  }

  #follow (change: ClusterChange): void {
    switch (change.kind) {
      case 'workload-added': this.#add(change.workload); break
      case 'workload-removed': this.#remove(change.workload); break
      case 'workload-changed': this.#change(change); break
      case 'manifests-replaced': this.#replacePolicies(change.manifests); break
      case 'failures-changed': break // told by cluster.reportFailures
    }
  }

  #add (workload: LocalWorkload): void {
    const pod = new EnforcedPod(workload, this.#options, this.#parts)
    this.#pods.set(workload.key, pod)
    if (this.#isRefusing) pod.refuseNew()
    pod.start()
  }

  /** Whoever takes a workload out of the facts gives it back: its rules go. */
  #remove ({ key }: LocalWorkload): void {
    const pod = this.#pods.get(key)
    if (pod === undefined) return
    this.#pods.delete(key)
    const left = pod.leave('disarm', new Revocation('workload-gone', 'the workload was removed')).finally(() => { this.#leaving.delete(left) })
    this.#leaving.add(left)
  }

  #change (change: WorkloadChange): void {
    const pod = this.#pods.get(change.workload.key)
    pod?.change(change)
    this.#parts.node.registry.rejudge(entry => entry.pod === pod)
  }

  #replacePolicies (manifests: readonly Manifest[]): void {
    this.#parts.policies.replace(manifests)
    this.#judgeAgain()
  }

  /** Judges all live connections by the policies and the time of now, and again when time alone changes an answer. */
  #judgeAgain (): void {
    const { node: { registry, clock, policies } } = this.#parts
    registry.rejudge()
    this.#nextChange?.cancel()
    const nowMs = clock.now()
    const nextMs = policies().nextChangeMs(nowMs)
    this.#nextChange = nextMs === Infinity ? undefined : clock.after(nextMs - nowMs, () => { this.#judgeAgain() })
  }

}
