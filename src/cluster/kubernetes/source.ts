/**
 * Facts from a Kubernetes API server: the pods of this node, namespaces, and every kind of policy that is served.
 *
 * Which pod lives in which network namespace the API server does not know; whoever does (the container runtime, or
 * /proc) tells it here as sandboxes.
 */

import { isDeepStrictEqual } from 'node:util'
import { before } from '../../lib/before.ts'
import { Emitter } from '../../lib/emitter.ts'
import { messageOf } from '../../lib/error.ts'
import { ClusterError } from '../error.ts'
import { workloadChanges } from '../workloads.ts'
import { textAt, textsAt } from './json.ts'
import { Departures, namespaceFactsOf } from './namespace-facts.ts'
import { NodePods } from './node-pods.ts'
import { podFactsOf } from './pod-facts.ts'
import { policyObjectOf } from './policy-object.ts'
import { Reflector } from './reflector.ts'
import { definitions, namespaces, podsOf, policyResources } from './resources.ts'
import { isEnforced, select } from './selection.ts'
import { listWorkloads } from './workload-list.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Unsubscribe } from '../../lib/emitter.ts'
import type { Labels } from '../../model/labels.ts'
import type { Log } from '../../observe/index.ts'
import type { ClusterChange, ClusterSource, LocalWorkload, Manifest, SourceFailure } from '../source.ts'
import type { Place } from '../workloads.ts'
import type { Api } from './api.ts'
import type { NamespaceFacts } from './namespace-facts.ts'
import type { PodFacts } from './pod-facts.ts'
import type { PolicyObject } from './policy-object.ts'
import type { Resource } from './resources.ts'
import type { Sandbox } from './sandbox.ts'
import type { SelectionOptions } from './selection.ts'

export interface KubernetesParts {
  readonly api: Api
  readonly clock: Clock
  readonly log: Log
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

export type KubernetesOptions = Place & SelectionOptions

/** How old what is known of a kind may be. */
export interface FactsAge {
  /** Plural name of the kind. */
  readonly name: string
  /** Ms since the epoch; `undefined` while changes are heard of. */
  readonly staleSinceMs: number | undefined
}

/** Policies that change together are told together. */
const gatherMs = 20
/** After this a changed definition has its storage. */
const settleMs = 1000

export class KubernetesSource implements ClusterSource {
  readonly #options: KubernetesOptions
  readonly #parts: KubernetesParts
  readonly #changes = new Emitter<ClusterChange>()
  readonly #node = new NodePods()
  readonly #pods: Reflector<PodFacts>
  readonly #namespaces: Reflector<NamespaceFacts>
  readonly #departures = new Departures()
  readonly #definitions: Reflector<string>
  readonly #policies: readonly Reflector<PolicyObject>[]
  #namespaceLabels: ReadonlyMap<string, Labels> = new Map()
  #workloads: readonly LocalWorkload[] = []
  #waiting: readonly string[] = []
  #annotations: ReadonlyMap<string, readonly string[]> = new Map()
  #policyObjects: readonly PolicyObject[] = []
  #manifests: readonly Manifest[] = []
  #failures: readonly SourceFailure[] = []
  #gather: Timer | undefined
  #settle: Timer | undefined
  #isOpen = false

  private constructor (options: KubernetesOptions, parts: KubernetesParts) {
    this.#options = options
    this.#parts = parts
    this.#pods = this.#reflect(podsOf(options.node), podFactsOf, () => { this.#podsChanged() })
    this.#namespaces = this.#reflect(namespaces, namespaceFactsOf, () => { this.#rebuild() })
    this.#policies = policyResources.map(resource => this.#reflect(resource, object => policyObjectOf(object, resource), () => { this.#policiesChanged() }))
    const names = new Set(policyResources.map(({ name, apiVersion }) => `${name}.${apiVersion.split('/')[0] ?? ''}`))
    this.#definitions = this.#reflect(definitions, object => {
      const name = textAt(object, 'metadata', 'name')
      return names.has(name) ? textAt(object, 'metadata', 'resourceVersion') : undefined
    }, () => { this.#definitionsChanged() })
  }

  /** Resolves when everything is known. Tries until then; rejects only with the reason of `signal`. */
  static async open (options: KubernetesOptions, parts: KubernetesParts, signal?: AbortSignal): Promise<KubernetesSource> {
    const source = new KubernetesSource(options, parts)
    try {
      for (const reflector of source.#all) reflector.start()
      const synced = Promise.all(source.#all.map(({ synced }) => synced))
      await (signal === undefined ? synced : before(synced, signal))
    } catch (error) {
      source.stop()
      throw error
    }
    source.#begin()
    return source
  }

  workloads (): readonly LocalWorkload[] { return this.#workloads }
  manifests (): readonly Manifest[] { return this.#manifests }
  failures (): readonly SourceFailure[] { return this.#failures }
  onChange (listener: (change: ClusterChange) => void): Unsubscribe { return this.#changes.on(listener) }

  /** Keys of pods that are to be captured, but whose network namespace is not known: they are exposed. */
  waiting (): readonly string[] { return this.#waiting }

  /** Pods of this node, selected or not. */
  pods (): readonly PodFacts[] { return this.#node.pods }

  /** Sandboxes with a network of their own, and whether their pod is to be captured; `undefined` where that is not known. */
  sandboxes (): readonly { readonly sandbox: Sandbox, readonly isSelected: boolean | undefined }[] {
    return this.#node.sandboxes.filter(({ netns }) => netns !== '').map(sandbox => ({ sandbox, isSelected: this.#isSelected(sandbox) }))
  }

  /** What their annotations say that cannot be read, by key of the pod. */
  badAnnotations (): ReadonlyMap<string, readonly string[]> { return this.#annotations }

  /** Of the same moment as `manifests`, sorted alike. */
  policyObjects (): readonly PolicyObject[] { return this.#policyObjects }

  /** Whether a namespace is about to go, or is gone after we have seen it. One that was never there proves nothing. */
  isGoing (namespace: string): boolean { return this.#departures.isGoing(namespace, this.#namespaces.items) }

  /** As `isGoing`, but asks the API server when nothing is heard of it. Never rejects: what cannot be asked is as it was known. */
  async askIsGoing (namespace: string, signal: AbortSignal): Promise<boolean> {
    if (this.isGoing(namespace)) return true
    try {
      await this.#get(this.#namespaces, `/api/v1/namespaces/${namespace}`, signal)
      return this.isGoing(namespace)
    } catch (error) {
      return error instanceof ClusterError && error.status === 404 && this.#departures.isGoing(namespace, new Map())
    }
  }

  ages (): FactsAge[] { return this.#all.map(({ resource, staleSinceMs }) => ({ name: resource.name, staleSinceMs })) }

  stop (): void {
    this.#isOpen = false
    this.#gather?.cancel()
    this.#settle?.cancel()
    for (const reflector of this.#all) reflector.stop()
  }

  /** All sandboxes that there are. */
  setSandboxes (sandboxes: Iterable<Sandbox>): void {
    this.#node.setSandboxes(sandboxes)
    this.#rebuild()
  }

  /** Sandboxes that were found by somebody who may miss some: for pods that have none yet. All that he finds, each time. */
  fillSandboxes (found: readonly Sandbox[]): void {
    this.#node.fill(found)
    this.#rebuild()
  }

  removeSandbox (sandbox: Pick<Sandbox, 'uid' | 'id'>): void {
    this.#node.removeSandbox(sandbox)
    this.#rebuild()
  }

  /**
   * Takes a sandbox that comes about now. Resolves with its workload, which is then told as added, or `undefined` when the
   * pod is not to be captured. What is not known is asked for; rejects when it is not to be had before `signal` aborts.
   */
  async admit (sandbox: Sandbox, signal: AbortSignal): Promise<LocalWorkload | undefined> {
    this.#node.setSandbox(sandbox)
    if (sandbox.netns === '') return undefined
    const { namespace, name, netns } = sandbox
    if (!this.#namespaceLabels.has(namespace)) await this.#get(this.#namespaces, `/api/v1/namespaces/${namespace}`, signal)
    const labels = this.#namespaceLabels.get(namespace)
    if (labels === undefined) throw new ClusterError(`namespace ${namespace} is not known`, { code: 'api-refused' })
    if (!isEnforced(labels)) return undefined
    if (this.#node.podOf(sandbox) === undefined) await this.#get(this.#pods, `/api/v1/namespaces/${namespace}/pods/${name}`, signal)
    if (this.#node.podOf(sandbox) === undefined) throw new ClusterError(`pod ${namespace}/${name} is another one at the API server`, { code: 'api-refused' })
    this.#rebuild()
    const key = `${namespace}/${name}`
    if (this.#waiting.includes(key)) throw new ClusterError(`the former pod ${key} still runs`, { code: 'api-refused' })
    return this.#workloads.find(workload => workload.key === key && workload.netns === netns)
  }

  #isSelected (sandbox: Sandbox): boolean | undefined {
    const labels = this.#namespaceLabels.get(sandbox.namespace)
    if (labels === undefined) return undefined
    if (!isEnforced(labels)) return false
    const pod = this.#node.podOf(sandbox)
    return pod === undefined ? undefined : select(pod, labels, this.#options) !== undefined
  }

  get #all (): readonly Reflector<unknown>[] { return [this.#pods, this.#namespaces, this.#definitions, ...this.#policies] }

  #reflect<T> (resource: Resource, project: (object: unknown) => T | undefined, onChange: () => void): Reflector<T> {
    const whenOpen = (task: () => void) => () => { if (this.#isOpen) task() }
    return new Reflector({ resource, project, onChange: whenOpen(onChange), onProblem: whenOpen(() => { this.#tellFailures() }) }, this.#parts)
  }

  async #get (reflector: Reflector<unknown>, path: string, signal: AbortSignal): Promise<void> {
    const object = await this.#parts.api.request(path, { accept: reflector.resource.accept.one, signal })
    signal.throwIfAborted()
    reflector.learn(object)
  }

  #begin (): void {
    this.#isOpen = true
    this.#takePolicies()
    this.#podsChanged()
    this.#tellFailures()
  }

  #podsChanged (): void {
    this.#node.setPods(this.#pods.items.values())
    this.#rebuild()
  }

  /**
   * A definition that appears is served a moment later; the kinds ask until then. One that changes gets another storage in
   * the API server, and a watch on the former one may hear nothing more.
   */
  #definitionsChanged (): void {
    for (const reflector of this.#policies) reflector.poke()
    this.#settle?.cancel()
    this.#settle = this.#parts.clock.after(settleMs, () => {
      for (const reflector of this.#policies) if (reflector.resource.optional) reflector.watchAnew()
    })
  }

  #policiesChanged (): void {
    this.#gather ??= this.#parts.clock.after(gatherMs, () => {
      this.#gather = undefined
      if (this.#takePolicies()) this.#tell({ kind: 'manifests-replaced', manifests: this.#manifests })
    })
  }

  /** Whether there is anything else to enforce now. */
  #takePolicies (): boolean {
    this.#policyObjects = this.#policies.flatMap(({ items }) => [...items.values()]).sort((a, b) => a.manifest.origin < b.manifest.origin ? -1 : 1)
    const manifests = this.#policyObjects.map(({ manifest }) => manifest)
    if (isDeepStrictEqual(manifests, this.#manifests)) return false
    this.#manifests = manifests
    return true
  }

  #rebuild (): void {
    if (!this.#isOpen) return
    this.#namespaceLabels = this.#labelsNow()
    const before = this.#workloads
    const { workloads, waiting, problems } = listWorkloads(this.#node, this.#namespaceLabels, this.#options, before)
    this.#workloads = workloads
    this.#waiting = waiting
    this.#annotations = problems
    for (const change of workloadChanges(before, workloads)) this.#tell(change)
    this.#tellFailures()
  }

  /** A namespace that is gone is remembered while a pod of it runs here. */
  #labelsNow (): ReadonlyMap<string, Labels> {
    const labels = new Map([...this.#namespaces.items].map(([name, facts]) => [name, facts.labels]))
    for (const { namespace } of this.#node.pods) {
      const former = this.#namespaceLabels.get(namespace)
      if (former !== undefined && !labels.has(namespace)) labels.set(namespace, former)
    }
    return labels
  }

  #tellFailures (): void {
    const kinds = this.#all.flatMap(({ resource, problem, staleSinceMs }): SourceFailure[] => problem === undefined
      ? []
      : [{ origin: `API server: ${resource.name}`, source: policyResources.includes(resource) ? 'policies' : 'node', message: `${problem}${staleSinceMs === undefined ? '' : ` (known as of ${new Date(staleSinceMs).toISOString()})`}` }])
    const annotations = [...this.#annotations].flatMap(([key, lines]) => lines.map((line, i) => ({ origin: `pod ${key}${i === 0 ? '' : ` (${i + 1})`}`, source: 'node' as const, message: `pod ${key}: ${line}` })))
    const failures = [...kinds, ...annotations].sort((a, b) => a.origin < b.origin ? -1 : 1)
    if (isDeepStrictEqual(failures, this.#failures)) return
    this.#failures = failures
    this.#tell({ kind: 'failures-changed', failures })
  }

  #tell (change: ClusterChange): void {
    try {
      this.#changes.emit(change)
    } catch (error) {
      this.#parts.log.error('a change of the cluster could not be carried out', { change: change.kind, error: messageOf(error) })
    }
  }
}
