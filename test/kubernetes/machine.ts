/**
 * A machine: namespaces (network, mounts, processes, host name, IPC, cgroups) around ordinary processes, with its
 * own /run, /var/lib, /var/log, /tmp and /opt over this machine's read-only root.
 *
 * So two nodes do not meet: each has `/run/containerd/containerd.sock` and `/run/nri/nri.sock` at the usual
 * place, and a hostPath volume of a pod shows the files of its own node. Ending process 1 ends every process of
 * the machine and all its mounts.
 */

import { spawn } from 'node:child_process'
import { mkdirSync, openSync, closeSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { netnsPath } from '../fixtures/lab/netns.ts'
import { eventually } from '../fixtures/eventually.ts'
import { daemonCgroup, delegate, hierarchies, joinScript, makeCgroups } from './cgroups.ts'
import { ClusterError } from './error.ts'
import { netnsOf } from './network.ts'
import { logFolder, stateFolder } from './paths.ts'
import { childOf, processIdOf } from './process-id.ts'
import { readPid, writePid } from './pid-file.ts'
import { must, run } from './run.ts'
import type { Finished, RunOptions } from './run.ts'
import type { MachineName } from './network.ts'
import type { ProcessId } from './process-id.ts'

const initScript = fileURLToPath(new URL('machine-init.sh', import.meta.url))
/** Where programs are found inside a machine; `/run/bin` holds the ones we built. */
const path = '/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export class Machine {
  readonly name: MachineName
  /** Path of its network namespace. */
  readonly netns: string
  /** Its files, as this machine sees them: `run`, `lib`, `log`, `tmp`, `opt`. */
  readonly folder: string
  readonly #cgroup: string

  constructor (name: MachineName) {
    this.name = name
    this.netns = netnsPath(netnsOf(name))
    this.folder = join(stateFolder, name)
    this.#cgroup = netnsOf(name)
  }

  /** Process 1, as this machine sees it; undefined when the machine is down. */
  get init (): ProcessId | undefined { return readPid(`machine-${this.name}`) }

  /** Starts process 1. `programs` is a folder that appears as /run/bin. */
  async start (programs: string): Promise<void> {
    mkdirSync(this.folder, { recursive: true })
    makeCgroups(this.#cgroup)
    const unshare = ['unshare', '--mount', '--propagation', 'private', '--pid', '--uts', '--ipc', '--cgroup', '--fork', initScript, this.folder, programs, this.name]
    const launcher = spawnLogged(`machine-${this.name}`, this.#cgroup, ['nsenter', `--net=${this.netns}`, ...unshare], { CGROUP_MOUNTS: mountScript(), JOIN_DAEMONS: joinScript(daemonCgroup) })
    writePid(`machine-${this.name}`, await childIdOf(`machine-${this.name}`, launcher))
    await eventually(() => existsSync(join(this.folder, 'run/machine-ready'))).catch(() => { throw failed(`machine-${this.name}`) })
    this.#leaveTop(launcher)
  }

  /** Starts a process that stays; its output goes to a log of this name. */
  async spawn (name: string, command: readonly string[]): Promise<ProcessId> {
    const launcher = spawnLogged(name, `${this.#cgroup}/${daemonCgroup}`, this.#inside(command))
    return childIdOf(name, launcher)
  }

  /** Runs a program to its end. */
  async run (command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const [program = '', ...args] = this.#inside(command)
    return run(program, args, options)
  }

  /** As `run`, but any exit code except 0 is an error; resolves with the standard output. */
  async must (command: readonly string[], options: RunOptions = {}): Promise<string> {
    const [program = '', ...args] = this.#inside(command)
    return must(program, args, options)
  }

  /** On v2 nothing may be in the top of the subtree once its children are to have controllers; `unshare` still is. */
  #leaveTop (launcher: number): void {
    for (const { path, version } of hierarchies()) {
      writeFileSync(join(path, this.#cgroup, daemonCgroup, 'cgroup.procs'), String(launcher))
      if (version === 2) delegate(join(path, this.#cgroup))
    }
  }

  #inside (command: readonly string[]): string[] {
    const { init } = this
    if (init === undefined) throw new ClusterError('not-running', `machine ${this.name} is not running`)
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup']
    return ['nsenter', '--target', String(init.pid), ...namespaces, '--wd=/', '--', 'env', '-i', `PATH=${path}`, 'HOME=/run', ...command]
  }
}

/** The last lines of a log, for an error message. */
export function logTail (name: string, lines = 15): string {
  try { return readFileSync(join(logFolder, `${name}.log`), 'utf8').trimEnd().split('\n').slice(-lines).join('\n') } catch { return '' }
}

/** Starts a process that outlives this one, in a cgroup of the cluster, so that it can be found. */
export function spawnLogged (name: string, cgroup: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  mkdirSync(logFolder, { recursive: true })
  const log = openSync(join(logFolder, `${name}.log`), 'a')
  try {
    const child = spawn('/bin/sh', ['-ec', `${joinScript(cgroup)}exec "$@"`, 'sh', ...command], { detached: true, stdio: ['ignore', log, log], cwd: '/', env: { ...process.env, ...env } })
    child.on('error', () => {}).unref()
    if (child.pid === undefined) throw new ClusterError('not-ready', `${name} cannot be started`)
    return child.pid
  } finally {
    closeSync(log)
  }
}

function failed (name: string): ClusterError {
  return new ClusterError('not-ready', `${name} did not start:\n${logTail(name)}`)
}

/** nsenter and unshare stay as the parent of what they start in another process namespace. */
async function childIdOf (name: string, launcher: number): Promise<ProcessId> {
  return eventually(() => {
    const child = childOf(launcher)
    return child === undefined ? undefined : processIdOf(child)
  }).catch(() => { throw failed(name) })
}

function mountScript (): string {
  const all = hierarchies()
  const top = all.length === 1 ? '' : 'mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup\n'
  return top + all.map(({ path, options, version }) => `mkdir -p ${path}\n${version === 2 ? `mount -t cgroup2 cgroup2 ${path}` : `mount -t cgroup -o ${options} cgroup ${path}`}\n`).join('')
}
