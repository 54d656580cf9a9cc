/** A node of a Kubernetes cluster: facts from its API server, pods from its container runtime, probes from its kubelet. */

import { dirname, join } from 'node:path'
import { Api, EventWriter, KubernetesSource, NriPlugin, openCredentials, PolicyConditions, ProcSandboxes } from '../cluster/index.ts'
import { Deadline } from '../lib/deadline.ts'
import { tellDeniedFlows } from './denied-flows.ts'
import { openOwnNode } from './own-node.ts'
import { PodGate } from './pod-gate.ts'
import { SandboxNotes } from './sandbox-notes.ts'
import { NodeStatus, opinionOf } from './status.ts'
import type { KubernetesSettings, PodFacts } from '../cluster/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { AskedMode } from '../model/mode.ts'
import type { FlowRecorder, Log, Metrics, Occurrences, Readiness } from '../observe/index.ts'
import type { Enforcer } from './enforcer.ts'
import type { HostGuard, Tenant } from './host-guard.ts'
import type { OwnNode } from './peering.ts'
import type { Policies } from './policies.ts'

export interface KubernetesNodeOptions {
  readonly node: string
  readonly cluster: string
  readonly trustDomain: string
  readonly mode: AskedMode
  readonly settings: KubernetesSettings
}

export interface KubernetesNodeParts {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly clock: Clock
}

/** What runs when the node begins. */
export interface RunningParts {
  readonly enforcer: Enforcer
  readonly policies: Policies
  readonly recorder: FlowRecorder
  readonly guard: HostGuard | undefined
}

/** What is held of the API server. */
interface Held {
  readonly api: Api
  readonly source: KubernetesSource
  readonly occurrences: EventWriter
}

export class KubernetesNode implements Disposable {
  readonly source: KubernetesSource
  readonly ownNode: OwnNode
  /** They become Events of the cluster. */
  readonly occurrences: Occurrences
  readonly #api: Api
  readonly #settings: KubernetesSettings
  readonly #parts: KubernetesNodeParts
  readonly #ends: DisposableStack
  #gate: PodGate | undefined
  #notes: SandboxNotes | undefined
  #isGone = false
  /** Whether somebody has told of all sandboxes. */
  #isTold = false

  private constructor ({ api, source, occurrences }: Held, ownNode: OwnNode, settings: KubernetesSettings, parts: KubernetesNodeParts, ends: DisposableStack) {
    this.#api = api
    this.source = source
    this.occurrences = occurrences
    this.ownNode = ownNode
    this.#settings = settings
    this.#parts = parts
    this.#ends = ends
  }

  /** Resolves when the API server has told everything, however long that takes. Rejects when the credentials cannot be used. */
  static async open ({ settings, ...place }: KubernetesNodeOptions, parts: KubernetesNodeParts): Promise<KubernetesNode> {
    using ends = new DisposableStack()
    const { log, metrics, readiness, clock } = parts
    const ownNode = ends.use(openOwnNode(settings.ownNode, log))
    const api = ends.use(new Api(await openCredentials(settings, clock)))
    readiness.awaits('API server', `${api.server} has not told everything yet`)
    const source = await KubernetesSource.open({ ...place, podAnnotations: settings.podAnnotations }, { api, clock, log })
    readiness.met('API server')
    ends.defer(() => { source.stop() })
    source.isGoing(settings.namespace) // seen, from now on
    const occurrences = ends.use(new EventWriter(place.node, { api, clock, log, metrics }))
    return new KubernetesNode({ api, source, occurrences }, ownNode, settings, parts, ends.move())
  }

  /** From now on pods are told to the source; where the container runtime tells, one that starts waits for the enforcer. */
  start ({ enforcer, policies, recorder, guard }: RunningParts): void {
    this.#tellCluster(policies, recorder)
    if (this.#settings.pods === 'proc') this.#lookForPods()
    else this.#listenToRuntime(enforcer, guard)
  }

  #tellCluster (policies: Policies, recorder: FlowRecorder): void {
    const { source, occurrences } = this
    const { clock, log, metrics } = this.#parts
    const conditions = this.#ends.use(new PolicyConditions({
      api: this.#api, clock, log, metrics, opinionOf: policy => opinionOf(policy, policies),
      policies: () => source.policyObjects().filter(({ name: { kind } }) => kind === 'AccessPolicy'),
    }))
    this.#ends.use(new NodeStatus({ source, policies, conditions, occurrences, clock }))
    this.#ends.defer(tellDeniedFlows(recorder, occurrences))
  }

  #lookForPods (): void {
    const { source } = this
    const sandboxes = new ProcSandboxes({}, {
      clock: this.#parts.clock, pods: () => source.pods(), isWaiting: () => source.waiting().length > 0,
      onChange: list => { source.setSandboxes(list) },
    })
    sandboxes.start()
    this.#isTold = true
    this.#ends.defer(() => { sandboxes.stop() })
  }

  #listenToRuntime (enforcer: Enforcer, guard: HostGuard | undefined): void {
    const { log, metrics, readiness, clock } = this.#parts
    /** `isOfNow`: those that it knows are all that there are. */
    const known = (isOfNow: boolean): void => {
      this.#isTold = true
      if (isOfNow) readiness.met(runtimeName)
    }
    const silent = (why: string): void => {
      notes.silent()
      readiness.trouble(runtimeName, `does not tell of pods: ${why}`)
    }
    const path = join(dirname(this.#settings['nri.socket']), notesName)
    const notes = this.#ends.use(new SandboxNotes(path, { source: this.source, clock, log, onRead: known }))
    this.#notes = notes
    const gate = new PodGate(this.#settings['nri.unarmed'], { source: this.source, guarded: key => enforcer.guarded(key), occurrences: this.occurrences, log, metrics, onKnown: () => { notes.write() }, ...guard !== undefined && { reviewed: () => guard.review() } })
    this.#gate = gate
    readiness.awaits(runtimeName, 'not registered yet')
    const plugin = new NriPlugin({ socketPath: this.#settings['nri.socket'] }, {
      clock, log, handler: gate, whyNotNow: () => notes.areKept ? this.#endingAgent() : undefined,
      onState (isConnected, detail) {
        metrics.runtimeTells(isConnected)
        if (isConnected) {
          notes.told()
          known(true)
          readiness.settled(runtimeName)
        } else {
          silent(detail)
        }
      },
    })
    silent('not registered yet')
    plugin.start()
    this.#ends.defer(() => { plugin.stop() })
  }

  /**
   * An agent of this node that ends, which may take it as long as its connections live. While containerd stops a container it answers
   * no plugin that registers, and lets no other pod start or stop until it has: so we would hold up the whole node. As long as an
   * agent before us is told of pods it arms those that start, and nobody else has to be.
   */
  #endingAgent (): string | undefined {
    const nowMs = this.#parts.clock.now()
    const isAgent = ({ namespace, hostNetwork }: PodFacts): boolean => namespace === this.#settings.namespace && hostNetwork
    const ending = this.source.pods().find(pod => isAgent(pod) && !pod.isFinished && pod.endsByMs !== undefined && nowMs < pod.endsByMs + overdueMs)
    return ending === undefined ? undefined : `${ending.namespace}/${ending.name} ends`
  }

  /** Pods with a network of their own, for the host guard; `undefined` until all are known. */
  tenants (enforcer: Enforcer): readonly Tenant[] | undefined {
    if (!this.#isTold) return undefined
    const armed = new Set(enforcer.pods.filter(({ captured }) => captured).map(({ workload: { netns } }) => netns))
    return this.source.sandboxes().map(({ sandbox: { id, netns }, isSelected }) => ({ id, netns, standing: isSelected === false ? 'free' : armed.has(netns) ? 'armed' : 'closed' }))
  }

  /** Refuses no pod any more. Resolves when it is known whether liburna is being removed, as far as that can be known. */
  async leave (): Promise<void> {
    this.#gate?.leave()
    const { namespace } = this.#settings
    if (namespace === '') return
    using deadline = new Deadline({ clock: this.#parts.clock, ms: askMs, reason: () => new Error(`no answer in ${askMs} ms`) })
    this.#isGone = await this.source.askIsGoing(namespace, deadline.signal)
  }

  /**
   * Whether liburna itself is being removed, not this agent alone: its namespace is going. Whatever else ends an agent
   * (its DaemonSet deleted, an upgrade, an API server that cannot be asked) leaves the guard in the pods.
   */
  isRemoved (): boolean {
    const { namespace } = this.#settings
    return this.#isGone || namespace !== '' && this.source.isGoing(namespace)
  }

  /** Brings the metrics up to date. */
  measure (): void {
    const { metrics, clock } = this.#parts
    metrics.podsWaiting(this.source.waiting().length)
    for (const { name, staleSinceMs } of this.source.ages()) metrics.factsAge(name, staleSinceMs === undefined ? 0 : (clock.now() - staleSinceMs) / 1000)
  }

  [Symbol.dispose] (): void {
    if (this.isRemoved()) this.#notes?.remove()
    this.#ends.dispose()
  }
}

/** How long an agent that ends asks whether liburna is being removed, ms. */
const askMs = 3000

/** A pod that should have ended so long ago is waited for no longer, ms. */
const overdueMs = 30_000

/** Beside the runtime's socket: the one folder of the node that agents share, and that is empty when the machine starts. */
const notesName = 'liburna.notes'
const runtimeName = 'container runtime'
