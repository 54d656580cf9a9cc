/** A node of the cluster, with the paths of its parts as this machine sees them. */

import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addressOf, podCidr } from './network.ts'
import { podNetwork } from './node-files.ts'
import { ClusterError } from './error.ts'
import { waitFor } from './wait.ts'
import { parseCidr, cidrContains } from '../../src/model/cidr.ts'
import { parseIp } from '../../src/model/address.ts'
import type { Machine } from './machine.ts'
import type { ComponentName } from './components.ts'
import type { Finished, RunOptions } from './run.ts'
import type { NodeName } from './network.ts'

/** What succeeds once a part is of use. */
const questions: Readonly<Record<string, readonly string[]>> = {
  containerd: ['ctr', 'version'],
  // Without its runtime it ends in its first second.
  kubelet: ['busybox', 'wget', '-qO-', 'http://127.0.0.1:10248/healthz'],
  proxy: ['busybox', 'wget', '-qO-', 'http://127.0.0.1:10256/livez'],
}

export class ClusterNode {
  readonly name: NodeName
  readonly machine: Machine
  /** Its address between the nodes. */
  readonly address: string
  /** Path of its network namespace. */
  readonly netns: string
  /** Unix sockets; inside the node they are at the usual places under /run. */
  readonly containerdSocket: string
  readonly nriSocket: string
  /** Files that a hostPath volume of a pod sees under /run, /var/lib, /var/log. Mounts below them are seen by the node only. */
  readonly runFolder: string
  readonly libFolder: string
  readonly logFolder: string
  readonly kubeletFolder: string

  constructor (machine: Machine) {
    if (machine.name === 'cp') throw new TypeError('the control plane is no node')
    this.name = machine.name
    this.machine = machine
    this.address = addressOf(machine.name)
    this.netns = machine.netns
    this.runFolder = join(machine.folder, 'run')
    this.libFolder = join(machine.folder, 'lib')
    this.logFolder = join(machine.folder, 'log')
    this.kubeletFolder = join(this.libFolder, 'kubelet')
    this.containerdSocket = join(this.runFolder, 'containerd/containerd.sock')
    this.nriSocket = join(this.runFolder, 'nri/nri.sock')
  }

  /** Process 1 of the node: its namespaces are under /proc/<pid>/ns. */
  get pid (): number {
    const { init } = this.machine
    if (init === undefined) throw new ClusterError('not-running', `node ${this.name} is not running`)
    return init.pid
  }

  /** Runs a program as a shell on the node would: in all its namespaces. */
  async run (command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.machine.run(command, options)
  }

  /** As `run`, but any exit code except 0 is an error; resolves with the standard output. */
  async must (command: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.machine.must(command, options)
  }

  /** Addresses that its pods have now. */
  async podAddresses (): Promise<string[]> {
    const cidr = parseCidr(podCidr)
    const names = existsSync(this.#addressFolder) ? await readdir(this.#addressFolder) : []
    return names.filter(name => {
      const ip = parseIp(name)
      return ip !== undefined && cidr !== undefined && cidrContains(cidr, ip)
    })
  }

  /** Tells the node's address management which address it gave last; the next pod gets the one after it, or a later free one. */
  async lastPodAddress (address: string): Promise<void> {
    await this.machine.must(['mkdir', '-p', `/var/lib/cni/networks/${podNetwork}`])
    await writeFile(join(this.#addressFolder, 'last_reserved_ip.0'), address)
  }

  /** Resolves when a component of this node answers. */
  async componentReady (component: ComponentName): Promise<void> {
    const [part = ''] = component.split('-')
    await waitFor(async () => (await this.run(questions[part] ?? ['true'])).code === 0, { withinMs: 60_000 })
  }

  get #addressFolder (): string { return join(this.libFolder, 'cni/networks', podNetwork) }
}
