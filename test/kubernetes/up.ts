/** Bringing the cluster up, step by step. */

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxArchive } from './busybox.ts'
import { components } from './components.ts'
import { outside, serverCertificate, serverUrl, writeAdminKubeconfig, writeKubeconfig, writeSecrets } from './control-plane.ts'
import { chooseSnapshotter, importImage } from './images.ts'
import { isSomethingLeft, takeDown } from './down.ts'
import { ClusterError } from './error.ts'
import { takeLock } from './lock.ts'
import { Machine } from './machine.ts'
import { machineNames, makeNetwork, nodeNames } from './network.ts'
import { writeNodeFiles } from './node-files.ts'
import { needPackages } from './packages.ts'
import { adminKubeconfig, pidFolder, stateFolder } from './paths.ts'
import { isRunning, startComponent, startForward, whileRunning } from './parts.ts'
import { readPid } from './pid-file.ts'
import { programs } from './programs.ts'
import { must } from './run.ts'
import { waitFor } from './wait.ts'
import type { ComponentName } from './components.ts'

export interface UpOptions {
  /** Hears what is done, a line each. @default nobody */
  readonly say?: (text: string) => void
  /** Calls it off; what was made is taken down again. */
  readonly signal?: AbortSignal
}

interface Step {
  readonly say: (text: string) => void
  readonly signal?: AbortSignal
  /** Folder with the programs that were built. */
  readonly bin: string
}

/** What became of `bringUp`. */
export type UpOutcome = 'started' | 'was running'

/** A node of a busy machine may take that long. */
const readyWithinMs = 180_000

/** Whether all machines run; components may still have been stopped. */
export function isUp (): boolean {
  return existsSync(adminKubeconfig) && machineNames.every(name => new Machine(name).init !== undefined) && readPid('forward-in') !== undefined && readPid('forward-out') !== undefined
}

/** Folder with the programs of the running cluster. */
export function binFolder (): string {
  return join(stateFolder, 'bin')
}

/** Brings the cluster up, or starts what is missing of it. A cluster that does not come up is taken down. */
export async function bringUp ({ say = () => {}, signal }: UpOptions = {}): Promise<UpOutcome> {
  if (process.getuid?.() !== 0) throw new ClusterError('no-root', 'the test cluster makes namespaces and so needs root')
  using _lock = await takeLock(say, signal)
  if (isUp()) return revive(say)
  if (isSomethingLeft()) await takeDown(() => { say('removed what an earlier cluster left') })
  await needPackages('cluster', say)
  const step: Step = { say, ...signal && { signal }, bin: await programs({ say, ...signal && { signal } }) }
  try {
    await startAll(step)
    return 'started'
  } catch (error) {
    say(signal?.aborted === true ? 'called off: taking it down' : 'failed: taking it down')
    await takeDown(say)
    throw error
  }
}

async function revive (say: (text: string) => void): Promise<UpOutcome> {
  const stopped = components.filter(({ name }) => !isRunning(name))
  for (const { name } of stopped) {
    say(`starting ${name}, which was stopped`)
    await startComponent(name)
  }
  await nodesReady()
  return 'was running'
}

async function startAll (step: Step): Promise<void> {
  const { say, signal, bin } = step
  mkdirSync(pidFolder, { recursive: true, mode: 0o755 })
  await must('ln', ['-s', bin, binFolder()])
  say('network: a router, a control plane and two nodes in namespaces of their own')
  await makeNetwork()
  await startControlPlane(step)
  const archive = await busyboxArchive()
  for (const node of nodeNames) {
    signal?.throwIfAborted()
    await startNode(step, node, archive)
  }
  say('waiting for the nodes')
  await nodesReady(signal)
}

async function startControlPlane ({ say, signal, bin }: Step): Promise<void> {
  say('control plane: etcd, API server, controller manager, scheduler')
  writeSecrets()
  await new Machine('cp').start(bin)
  await start('etcd', signal)
  await start('apiserver', signal)
  // It makes its certificate, which everybody else is to trust, in its first second.
  await whileRunning('apiserver', () => serverCertificate() !== undefined, { withinMs: 60_000, signal })
  for (const name of ['controller-manager', 'scheduler']) writeKubeconfig(join(outside, `${name}.kubeconfig`), name, serverUrl)
  writeAdminKubeconfig(await startForward())
  await whileRunning('apiserver', async () => kubectl(['get', '--raw', '/readyz']), { withinMs: 120_000, signal })
  await start('controller-manager', signal)
  await start('scheduler', signal)
}

async function startNode ({ say, signal, bin }: Step, node: typeof nodeNames[number], archive: string): Promise<void> {
  say(`node ${node}: containerd, kubelet, kube-proxy`)
  const machine = new Machine(node)
  await machine.start(bin)
  writeNodeFiles(node, await chooseSnapshotter(machine))
  await start(`containerd-${node}`, signal)
  await whileRunning(`containerd-${node}`, async () => (await machine.run(['ctr', 'version'])).code === 0, { withinMs: 60_000, signal })
  await importImage(machine, archive)
  await start(`kubelet-${node}`, signal)
  await start(`proxy-${node}`, signal)
}

async function start (name: ComponentName, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await startComponent(name)
}

async function nodesReady (signal?: AbortSignal): Promise<void> {
  await waitFor(async () => {
    const nodes = await kubectl(['get', 'nodes', '--no-headers'])
    return (nodes.match(/ Ready /g) ?? []).length === nodeNames.length
  }, { withinMs: readyWithinMs, signal }).catch(error => { throw signal?.aborted === true ? error : new ClusterError('not-ready', 'the nodes are not ready', { cause: error }) })
  // No pod can be made before the controller manager has made the account that it would run as.
  await waitFor(async () => kubectl(['get', 'serviceaccount', 'default']), { withinMs: readyWithinMs, signal })
}

async function kubectl (args: readonly string[]): Promise<string> {
  return must(join(binFolder(), 'kubectl'), [`--kubeconfig=${adminKubeconfig}`, '--request-timeout=5s', ...args])
}
