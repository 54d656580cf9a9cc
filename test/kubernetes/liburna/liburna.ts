/** liburna in the test cluster, as tests see it. */

import { PodLogs } from './pod-log.ts'
import { diagnose } from './diagnose.ts'
import { install, system } from './install.ts'
import { listOf, namespaceOf } from './manifests.ts'
import { Traffic } from './traffic.ts'
import { openCluster } from '../cluster.ts'
import { nodeNames } from '../network.ts'
import { waitFor } from '../wait.ts'
import type { Test } from 'tap'
import type { Cluster } from '../cluster.ts'
import type { NodeName } from '../network.ts'
import type { Finished } from '../run.ts'
import type { FlowRecord } from '../../../src/model/flow.ts'

/** Building everything for the first time is part of a test. */
const patienceMs = 3_600_000

/**
 * The running cluster with liburna in it, or a new one that ends with the test; installs what is missing. What went on is told when
 * the test fails.
 */
export async function openLiburna (test: Test): Promise<Liburna> {
  test.setTimeout(patienceMs)
  const say = (text: string): void => { test.comment(text) }
  const cluster = await openCluster({ say })
  const liburna = new Liburna(cluster)
  test.teardown(async () => {
    liburna[Symbol.dispose]()
    await cluster[Symbol.asyncDispose]()
  })
  test.afterEach(child => { if (!child.passing()) console.error(diagnose(cluster).join('\n')) })
  await install(cluster, say)
  return liburna
}

/** As much of it as tests look at. */
export interface AgentPod {
  readonly metadata: { readonly name: string, readonly deletionTimestamp?: string, readonly labels: Readonly<Record<string, string>> }
  readonly status: { readonly conditions?: readonly { readonly type: string, readonly status: string }[] }
}

export class Liburna implements Disposable {
  readonly cluster: Cluster
  readonly #agentLogs: Readonly<Record<NodeName, PodLogs>>
  readonly #ends = new DisposableStack()

  constructor (cluster: Cluster) {
    this.cluster = cluster
    const logsOf = (node: NodeName): PodLogs => this.#ends.use(new PodLogs(cluster.node(node), new RegExp(`^${system}_liburna-agent-[^/]*/agent$`)))
    this.#agentLogs = { n1: logsOf('n1'), n2: logsOf('n2') }
  }

  /** A namespace whose pods are captured, for the time of a test file; whatever is in it goes with it. */
  async shop (test: Test, name: string, ...objects: readonly object[]): Promise<void> {
    test.teardown(async () => { await this.cluster.kubectl(['delete', 'namespace', name, '--ignore-not-found', '--wait=false']) })
    await this.cluster.kubectl(['delete', 'namespace', name, '--ignore-not-found', '--timeout=60s'])
    await this.cluster.apply(listOf(namespaceOf(name), ...objects))
  }

  /** Name of the agent's pod that runs on a node now. */
  async agent (node: NodeName): Promise<string> {
    return waitFor(async () => {
      const name = await this.cluster.kubectl(['get', 'pods', '-n', system, '-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${node},status.phase=Running`, '-o', 'jsonpath={.items[0].metadata.name}'])
      return name !== '' && name
    }, { withinMs: 60_000 })
  }

  /** The agents' pods, also those that are on their way out. */
  async agents (): Promise<readonly AgentPod[]> {
    const { items } = await this.cluster.get(['pods', '-n', system, '-l', 'app.kubernetes.io/component=agent']) as { items: AgentPod[] } // a list of pods
    return items
  }

  /**
   * Resolves when every agent that was told to end has ended: it would wait for its last connections, but a second signal ends it at
   * once. (A shorter grace period for a pod that ends already may take the kubelet minutes.)
   */
  async agentsEnded (): Promise<void> {
    await waitFor(async () => {
      const ending = (await this.agents()).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
      for (const { metadata: { name } } of ending) await this.cluster.tryKubectl(['exec', '-n', system, name, '--', 'node', '-e', 'process.kill(1, "SIGTERM")'])
      return ending.length === 0
    }, { withinMs: 120_000, pauseMs: 1000 })
  }

  /** Tells all agents to end, and waits for it. The DaemonSet makes others, if it may. */
  async endAgents (): Promise<void> {
    await this.cluster.kubectl(['delete', 'pods', '-n', system, '-l', 'app.kubernetes.io/component=agent', '--wait=false'])
    await this.agentsEnded()
  }

  /** Ends the agents of all nodes; there are no others until `returnAgents`, or the end of the test. */
  async removeAgents (test: Test): Promise<void> {
    test.teardown(async () => this.returnAgents())
    await this.#runOnlyOn({ none: 'none' })
    await this.endAgents()
  }

  /** What `removeAgents` has done is undone; the caller waits for the agents. */
  async returnAgents (): Promise<void> { await this.#runOnlyOn(null) }

  async #runOnlyOn (nodeSelector: Readonly<Record<string, string>> | null): Promise<void> {
    await this.cluster.kubectl(['patch', 'daemonset/liburna-agent', '-n', system, '-p', JSON.stringify({ spec: { template: { spec: { nodeSelector } } } })])
  }

  /** All records that the agents of a node have written while this object was there, and since the one that runs now started. */
  records (node: NodeName): readonly FlowRecord[] {
    const lines = this.#agentLogs[node].lines().filter(line => line.startsWith('{"time"') && line.includes('"durationMs"'))
    return lines.map(line => JSON.parse(line) as FlowRecord /* what the agent wrote */)
  }

  /** The first record for which `fits` holds, as soon as there is one. */
  async record (node: NodeName, fits: (record: FlowRecord) => boolean, withinMs = 30_000): Promise<FlowRecord> {
    return waitFor(() => this.records(node).find(fits), { withinMs })
  }

  /** What an agent answers at its local port. */
  async ask (node: NodeName, path: string): Promise<Finished> {
    return this.cluster.node(node).run(['busybox', 'wget', '-qO-', `http://127.0.0.1:9901${path}`])
  }

  /** A number at an agent's `/metrics`; NaN without it. */
  async metric (node: NodeName, series: string): Promise<number> {
    const { stdout } = await this.ask(node, '/metrics')
    return Number(stdout.split('\n').find(line => line.startsWith(`${series} `))?.split(' ')[1])
  }

  traffic (node: NodeName, namespace: string, pod: string): Traffic {
    return this.#ends.use(new Traffic(this.cluster.node(node), namespace, pod))
  }

  /** Looks at the logs, so that none is missed whose pod goes away. */
  keepLogs (): void {
    for (const node of nodeNames) this.#agentLogs[node].lines()
  }

  [Symbol.dispose] (): void { this.#ends.dispose() }
}

/** Resolves when the condition holds; a minute at most. */
export async function soon (condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(condition, { withinMs: 60_000 })
}
