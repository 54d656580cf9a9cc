/**
 * The network namespaces of pods where no container runtime tells of them: found by the cgroups of processes.
 *
 * The kubelet puts the containers of a pod below a cgroup with its uid in the name, in every version of cgroups and by
 * every driver: `…/kubepods/burstable/pod<uid>/…`, `…/kubepods-burstable-pod<uid with _>.slice/…`.
 *
 * It is late by nature: a container runs before it is found. What is found is held open, so that neither a process id
 * nor a name that somebody else gets can lead us into another namespace.
 */

import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { PodFacts } from './pod-facts.ts'
import type { Sandbox } from './sandbox.ts'

export interface ProcOptions {
  /** The node's /proc: needs its process namespace. @default '/proc' */
  readonly root?: string
}

export interface ProcParts {
  readonly clock: Clock
  /** Pods of this node. */
  readonly pods: () => Iterable<PodFacts>
  /** Whether pods are still looked for. */
  readonly isWaiting: () => boolean
  /** Takes the sandboxes that there are. Must not throw. */
  readonly onChange: (sandboxes: readonly Sandbox[]) => void
}

interface Held { readonly fd: number, readonly inode: bigint, readonly sandbox: Sandbox }

/** How often we look while a pod waits, and while none does. */
const [busyMs, idleMs] = [250, 5000]
/** A uid of Kubernetes, or the hash that stands for it in a static pod. */
const podCgroup = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[/.]|$)/m

export class ProcSandboxes {
  readonly #root: string
  readonly #parts: ProcParts
  readonly #held = new Map<string, Held>()
  #timer: Timer | undefined
  #isStopped = false

  constructor ({ root = '/proc' }: ProcOptions, parts: ProcParts) {
    this.#root = root
    this.#parts = parts
  }

  start (): void { this.#look() }

  stop (): void {
    this.#isStopped = true
    this.#timer?.cancel()
    for (const { fd } of this.#held.values()) closeSync(fd)
    this.#held.clear()
  }

  #look (): void {
    const first = this.#firstProcesses()
    const ended: Held[] = []
    let isChanged = false
    for (const [uid, held] of this.#held) {
      if (first.has(uid)) continue
      this.#held.delete(uid)
      ended.push(held)
    }
    for (const pod of this.#parts.pods()) {
      const uid = pod.staticUid === '' ? pod.uid : pod.staticUid
      const pid = first.get(uid)
      if (pid !== undefined && !pod.hostNetwork && !this.#held.has(uid) && this.#hold(uid, pid, pod)) isChanged = true
    }
    if (isChanged || ended.length > 0) this.#parts.onChange([...this.#held.values()].map(({ sandbox }) => sandbox))
    // Only now: until then somebody may open it by its number.
    for (const { fd } of ended) closeSync(fd)
    if (!this.#isStopped) this.#timer = this.#parts.clock.after(this.#parts.isWaiting() ? busyMs : idleMs, () => { this.#look() })
  }

  /**
   * The process of each pod that started first. It is the one that holds the pod's namespace; a later one may have made a
   * namespace of its own.
   */
  #firstProcesses (): ReadonlyMap<string, number> {
    const first = new Map<string, { readonly pid: number, readonly startedAt: number }>()
    for (const name of readdirSync(this.#root)) {
      const pid = /^\d+$/.test(name) ? Number(name) : undefined
      const uid = pid === undefined ? undefined : this.#podOf(pid)
      if (pid === undefined || uid === undefined) continue
      const startedAt = this.#startOf(pid)
      if (startedAt < (first.get(uid)?.startedAt ?? Infinity)) first.set(uid, { pid, startedAt })
    }
    return new Map([...first].map(([uid, { pid }]) => [uid, pid]))
  }

  #podOf (pid: number): string | undefined {
    return podCgroup.exec(this.#read(pid, 'cgroup'))?.[1]?.replaceAll('_', '-')
  }

  /** In clock ticks since boot (proc_pid_stat(5), field 22). */
  #startOf (pid: number): number {
    const stat = this.#read(pid, 'stat')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? Infinity)
  }

  /** Opens the namespace, and looks once more whose it is: the process may have ended, and its number be another's. */
  #hold (uid: string, pid: number, { namespace, name }: PodFacts): boolean {
    let fd: number
    try {
      fd = openSync(`${this.#root}/${pid}/ns/net`, 'r')
    } catch {
      return false // gone, or not ours to see; the next look tells
    }
    const { ino: inode } = fstatSync(fd, { bigint: true })
    if (this.#podOf(pid) !== uid || inode === this.#ownInode()) {
      closeSync(fd)
      return false
    }
    this.#held.set(uid, { fd, inode, sandbox: { id: `netns-${inode}`, uid, namespace, name, netns: `/proc/${process.pid}/fd/${fd}` } })
    return true
  }

  /** A pod that shares a network with the node is never touched, whatever its object says. */
  #ownInode (): bigint | undefined {
    try {
      const fd = openSync(`${this.#root}/1/ns/net`, 'r')
      const { ino } = fstatSync(fd, { bigint: true })
      closeSync(fd)
      return ino
    } catch {
      return undefined
    }
  }

  #read (pid: number, file: string): string {
    try {
      return readFileSync(`${this.#root}/${pid}/${file}`, 'utf8')
    } catch {
      return ''
    }
  }
}
