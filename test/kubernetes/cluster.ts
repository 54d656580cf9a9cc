/** The running cluster as tests see it. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { saveImage } from './buildah.ts'
import { takeDown } from './down.ts'
import { importImage } from './images.ts'
import { takeLock } from './lock.ts'
import { Machine } from './machine.ts'
import { nodeNames, router } from './network.ts'
import { ClusterNode } from './node.ts'
import { startComponent, stopComponent, isRunning } from './parts.ts'
import { adminKubeconfig } from './paths.ts'
import { must, run } from './run.ts'
import { binFolder, bringUp } from './up.ts'
import { waitFor } from './wait.ts'
import { netnsPath } from '../fixtures/lab/netns.ts'
import { parseIp } from '../../src/model/address.ts'
import type { ComponentName } from './components.ts'
import type { NodeName } from './network.ts'
import type { Finished, RunOptions } from './run.ts'
import type { UpOptions } from './up.ts'

/** The gateway of every node's pods, 10.244.0.1. */
const firstWord = 0x0af40001

export interface OpenOptions extends UpOptions {
  /** Leaves it running when it is disposed, also when it was started here. @default false */
  readonly keep?: boolean
}

export interface PodOptions {
  /** @default 'default' */
  readonly namespace?: string
  /** @default the pod's only container */
  readonly container?: string
  /** @default 60000, to be ready 120000 */
  readonly withinMs?: number
}

/** The running cluster, or a new one. A new one is taken down with the object; one that was there before stays. */
export async function openCluster ({ keep = false, ...options }: OpenOptions = {}): Promise<Cluster> {
  const outcome = await bringUp(options)
  return new Cluster(outcome === 'started' && !keep)
}

export class Cluster implements AsyncDisposable {
  /** Of an administrator; works on this machine's loopback, for kubectl and for clients under test. */
  readonly kubeconfig = adminKubeconfig
  readonly nodes: readonly ClusterNode[] = nodeNames.map(name => new ClusterNode(new Machine(name)))
  /** Network namespace of the router between the nodes: the place to capture packets, or to add addresses. */
  readonly router = netnsPath(router)
  /** Folder with kubectl and the rest of its programs. */
  readonly binFolder = binFolder()
  readonly kubectlProgram = join(this.binFolder, 'kubectl')
  readonly #isOurs: boolean

  constructor (isOurs: boolean) {
    this.#isOurs = isOurs
  }

  node (name: NodeName): ClusterNode {
    const node = this.nodes.find(each => each.name === name)
    if (node === undefined) throw new TypeError(`there is no node ${name}`)
    return node
  }

  /** Runs kubectl as an administrator; any exit code except 0 is an error. Resolves with the standard output. */
  async kubectl (args: readonly string[], input?: string, options: RunOptions = {}): Promise<string> {
    return must(this.kubectlProgram, this.#args(args), { ...options, ...input !== undefined && { input } })
  }

  /** As `kubectl`, whatever the exit code is. */
  async tryKubectl (args: readonly string[], input?: string, options: RunOptions = {}): Promise<Finished> {
    return run(this.kubectlProgram, this.#args(args), { ...options, ...input !== undefined && { input } })
  }

  /** Objects as `kubectl get -o json` tells them. */
  async get (args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.kubectl(['get', ...args, '-o', 'json']))
  }

  async apply (yaml: string): Promise<string> {
    return this.kubectl(['apply', '-f', '-'], yaml)
  }

  /** Deletes what `apply` made, if it is there; resolves when it is gone. */
  async remove (yaml: string): Promise<string> {
    return this.kubectl(['delete', '--ignore-not-found', '--grace-period=1', '-f', '-'], yaml)
  }

  /** Runs a program in a pod; any exit code except 0 is an error. Resolves with the standard output. */
  async exec (pod: string, command: readonly string[], options: PodOptions = {}): Promise<string> {
    const { stdout } = await this.#inPod(pod, command, options, true)
    return stdout
  }

  /** As `exec`, whatever the exit code is. */
  async tryExec (pod: string, command: readonly string[], options: PodOptions = {}): Promise<Finished> {
    return this.#inPod(pod, command, options, false)
  }

  async logs (pod: string, { namespace = 'default', container }: PodOptions = {}): Promise<string> {
    return this.kubectl(['logs', '--namespace', namespace, pod, ...container === undefined ? [] : ['--container', container]])
  }

  /** Resolves when each of the objects (`pod/web`, `daemonset/agent`) is ready, or rolled out. */
  async waitReady (objects: readonly string[], { namespace = 'default', withinMs = 120_000 }: PodOptions = {}): Promise<void> {
    for (const object of objects) {
      const how = /^(?:pod|node)\//.test(object) ? ['wait', '--for=condition=Ready'] : ['rollout', 'status']
      await waitFor(async () => this.kubectl([...how, object, '--namespace', namespace, `--timeout=${Math.ceil(withinMs / 1000)}s`], undefined, { withinMs: withinMs + 5000 }), { withinMs })
    }
  }

  /** Imports an image into every node: an archive file, or the name of an image of `buildImage`. */
  async loadImage (archiveOrName: string): Promise<void> {
    if (existsSync(archiveOrName)) return this.#importAll(archiveOrName)
    const folder = mkdtempSync(join(tmpdir(), 'lbk-image-'))
    try {
      const archive = join(folder, 'image.tar')
      await saveImage(archiveOrName, archive)
      await this.#importAll(archive)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** Makes the next pods of all nodes get equal addresses, from one that no node has in use. */
  async alignPodAddresses (): Promise<void> {
    const used = (await Promise.all(this.nodes.map(async node => node.podAddresses()))).flat()
    const words = used.map(address => parseIp(address)?.words[0] ?? 0)
    const last = textOfWord(Math.max(firstWord, ...words))
    await Promise.all(this.nodes.map(async node => node.lastPodAddress(last)))
  }

  isRunning (component: ComponentName): boolean {
    return isRunning(component)
  }

  /** Ends a component, as a crash would with `SIGKILL`; its pods go on. Resolves when the process is gone. */
  async stop (component: ComponentName, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await stopComponent(component, signal)
  }

  /** Starts a component that was stopped; resolves when it answers. */
  async start (component: ComponentName): Promise<void> {
    await startComponent(component)
    if (component === 'apiserver' || component === 'etcd') await this.#apiReady()
    await this.nodes.find(({ name }) => component.endsWith(`-${name}`))?.componentReady(component)
  }

  /** Takes the cluster down when it was started by `openCluster` of this object, unless that said `keep`. */
  async [Symbol.asyncDispose] (): Promise<void> {
    if (!this.#isOurs) return
    using _lock = await takeLock()
    await takeDown(() => {})
  }


  #args (args: readonly string[]): string[] {
    return [`--kubeconfig=${this.kubeconfig}`, ...args]
  }

  async #inPod (pod: string, command: readonly string[], { namespace = 'default', container, withinMs = 60_000 }: PodOptions, strict: boolean): Promise<Finished> {
    const args = ['exec', '--namespace', namespace, pod, ...container === undefined ? [] : ['--container', container], '--', ...command]
    if (!strict) return this.tryKubectl(args, undefined, { withinMs })
    return { code: 0, stdout: await this.kubectl(args, undefined, { withinMs }), stderr: '' }
  }

  async #importAll (archive: string): Promise<void> {
    await Promise.all(this.nodes.map(async node => importImage(node.machine, archive)))
  }

  async #apiReady (): Promise<void> {
    await waitFor(async () => this.kubectl(['get', '--raw', '/readyz', '--request-timeout=5s']), { withinMs: 60_000 })
  }
}

function textOfWord (word: number): string {
  return [24, 16, 8, 0].map(shift => word >>> shift & 255).join('.')
}
