/**
 * The agent's own cgroup (v2), to which a BPF program is attached so that it sees the agent's sockets and no others.
 *
 * A socket belongs to the cgroup that its process was in when it was made, whatever its network namespace.
 * Hybrid machines mount v2 beside v1 (`/sys/fs/cgroup/unified`), so the mount is looked up, not assumed.
 */

import { accessSync, constants, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../lib/error.ts'
import { Fd } from './fd.ts'

const namePattern = /^liburna-(\d+)-(\d+)$/

/** Where v2 is mounted and which of its folders a process is in. */
export interface CgroupPlace {
  readonly mount: string
  /** Absolute folder of the process's own cgroup. */
  readonly folder: string
}

/**
 * Finds the v2 hierarchy from the texts of /proc/self/mountinfo (proc_pid_mountinfo(5)) and /proc/self/cgroup.
 * `undefined` when it is not mounted, or the process is in a cgroup outside of what is mounted.
 */
export function findCgroup (mountinfo: string, cgroup: string): CgroupPlace | undefined {
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1]
  if (path === undefined || path.startsWith('/..')) return undefined
  for (const line of mountinfo.split('\n')) {
    const [, , , root = '', mount = '', ...rest] = line.split(' ')
    if (rest[rest.indexOf('-') + 1] !== 'cgroup2' || rest.indexOf('-') < 0) continue
    const inside = below(path, root)
    if (inside !== undefined) return { mount: unescape(mount), folder: join(unescape(mount), inside.slice(1)) }
  }
  return undefined
}

/** A cgroup of this process, and of nobody who is not of it. While it is open the process is inside. */
export class AgentCgroup implements Disposable {
  readonly folder: string
  readonly fd: Fd
  /** Where it was before; the same folder when it could not make one. */
  readonly #before: string

  private constructor (folder: string, before: string) {
    this.folder = folder
    this.#before = before
    this.fd = new Fd(openSync(folder, 'r'))
  }

  /**
   * Makes a cgroup under the present one and moves this process (all threads) into it. Removes those that dead
   * agents left there. In a container whose cgroups are read-only it stays where it is, if it
   * is alone there. Throws what `fs` throws otherwise, or that there is no cgroup to be had.
   */
  static enter (): AgentCgroup {
    const place = findCgroup(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
    if (place === undefined) throw new Error('no cgroup v2 hierarchy is mounted where this process can reach its own group')
    if (isReadOnly(place.folder)) {
      // Processes of other namespaces are told as 0.
      const inside = readFileSync(join(place.folder, 'cgroup.procs'), 'utf8').trim()
      if (inside !== String(process.pid)) throw new Error('cgroups are read-only, and this process is not alone in its own')
      return new AgentCgroup(place.folder, place.folder)
    }
    removeStale(place.folder)
    const folder = join(place.folder, `liburna-${process.pid}-${startTimeOf(process.pid) ?? '0'}`)
    mkdirSync(folder, { recursive: true })
    moveInto(folder)
    return new AgentCgroup(folder, place.folder)
  }

  /** Moves the process back and removes the cgroup; leaves it to the next agent when children still live in it. */
  close (): void {
    if (!this.fd.isOpen) return
    this.fd.close()
    if (this.folder === this.#before) return
    moveInto(this.#before)
    removeIfEmpty(this.folder)
  }

  [Symbol.dispose] (): void { this.close() }
}

function isReadOnly (folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return false
  } catch (error) {
    return codeOf(error) === 'EROFS'
  }
}

/** When the process started, in clock ticks since boot (proc_pid_stat(5), field 22): tells a reused pid. */
function startTimeOf (pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] // the name in parentheses may hold anything
  } catch {
    return undefined
  }
}

function removeStale (parent: string): void {
  for (const name of readdirSync(parent)) {
    const match = namePattern.exec(name)
    if (match !== null && startTimeOf(Number(match[1])) !== match[2]) removeIfEmpty(join(parent, name))
  }
}

function removeIfEmpty (folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // EBUSY: somebody lives there; ENOENT: another agent was faster
  }
}

function moveInto (folder: string): void {
  writeFileSync(join(folder, 'cgroup.procs'), String(process.pid))
}

/** `path` relative to `root`, beginning with a slash; `undefined` when it is not below. */
function below (path: string, root: string): string | undefined {
  if (root === '/') return path
  if (path === root) return '/'
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined
}

/** mountinfo writes blanks as octal escapes. */
function unescape (text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}
