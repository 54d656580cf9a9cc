/** A node of a Kubernetes cluster: facts from its API server, pods from its container runtime, probes from its kubelet. */

import { Api, KubernetesSource, NriPlugin, openCredentials, ProcSandboxes } from '../cluster/index.ts'
import { openOwnNode } from './own-node.ts'
import { PodGate } from './pod-gate.ts'
import type { KubernetesSettings } from '../cluster/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log, Metrics, Readiness } from '../observe/index.ts'
import type { Enforcer } from './enforcer.ts'
import type { OwnNode } from './peering.ts'

export interface KubernetesNodeOptions {
  readonly node: string
  readonly cluster: string
  readonly trustDomain: string
  readonly settings: KubernetesSettings
}

export interface KubernetesNodeParts {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly clock: Clock
}

export class KubernetesNode implements Disposable {
  readonly source: KubernetesSource
  readonly ownNode: OwnNode
  readonly #settings: KubernetesSettings
  readonly #parts: KubernetesNodeParts
  readonly #ends: DisposableStack

  private constructor (source: KubernetesSource, ownNode: OwnNode, settings: KubernetesSettings, parts: KubernetesNodeParts, ends: DisposableStack) {
    this.source = source
    this.ownNode = ownNode
    this.#settings = settings
    this.#parts = parts
    this.#ends = ends
  }

  /** Resolves when the API server has told everything, however long that takes. Rejects when the credentials cannot be used. */
  static async open ({ settings, ...place }: KubernetesNodeOptions, parts: KubernetesNodeParts): Promise<KubernetesNode> {
    using ends = new DisposableStack()
    const { log, readiness, clock } = parts
    const ownNode = ends.use(openOwnNode(settings.ownNode, log))
    const api = ends.use(new Api(await openCredentials(settings, clock)))
    readiness.awaits('API server', `${api.server} has not told everything yet`)
    const source = await KubernetesSource.open({ ...place, podAnnotations: settings.podAnnotations }, { api, clock, log })
    readiness.met('API server')
    ends.defer(() => { source.stop() })
    return new KubernetesNode(source, ownNode, settings, parts, ends.move())
  }

  /** From now on pods are told to the source; where the container runtime tells, one that starts waits for the enforcer. */
  start (enforcer: Enforcer): void {
    if (this.#settings.pods === 'proc') this.#lookForPods()
    else this.#listenToRuntime(enforcer)
  }

  #lookForPods (): void {
    const { source } = this
    const sandboxes = new ProcSandboxes({}, {
      clock: this.#parts.clock, pods: () => source.pods(), isWaiting: () => source.waiting().length > 0,
      onChange: list => { source.setSandboxes(list) },
    })
    sandboxes.start()
    this.#ends.defer(() => { sandboxes.stop() })
  }

  #listenToRuntime (enforcer: Enforcer): void {
    const { log, metrics, readiness, clock } = this.#parts
    const gate = new PodGate(this.#settings['nri.unarmed'], { source: this.source, guarded: key => enforcer.guarded(key), log, metrics })
    readiness.awaits(runtimeName, 'not registered yet')
    const plugin = new NriPlugin({ socketPath: this.#settings['nri.socket'] }, {
      clock, log, handler: gate,
      onState (isConnected, detail) {
        metrics.runtimeTells(isConnected)
        if (isConnected) {
          readiness.met(runtimeName)
          readiness.settled(runtimeName)
        } else {
          readiness.trouble(runtimeName, `does not tell of pods: ${detail}`)
        }
      },
    })
    plugin.start()
    this.#ends.defer(() => { plugin.stop() })
  }

  /** Brings the metrics up to date. */
  measure (): void {
    const { metrics, clock } = this.#parts
    metrics.podsWaiting(this.source.waiting().length)
    for (const { name, staleSinceMs } of this.source.ages()) metrics.factsAge(name, staleSinceMs === undefined ? 0 : (clock.now() - staleSinceMs) / 1000)
  }

  [Symbol.dispose] (): void { this.#ends.dispose() }
}

const runtimeName = 'container runtime'
