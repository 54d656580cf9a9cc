/**
 * Network namespaces: enter, do something short, come back.
 *
 * A namespace belongs to a *thread*. Whatever waits inside would let other work of this thread run in the wrong
 * namespace, so `run` takes synchronous functions only. What is opened inside (sockets, child processes) keeps the
 * namespace for life and is used from anywhere. Nothing inside `run` may start threads: no Worker, no asynchronous
 * `fs` or `dns` call (libuv starts its pool on first use).
 */

import { existsSync, fstatSync, readFileSync, writeFileSync } from 'node:fs'
import { codeOf } from '../lib/error.ts'
import { call, libc } from './libc.ts'
import { Fd } from './fd.ts'

/** sched.h */
const CLONE_NEWNET = 0x40000000
/** fcntl.h; read only is 0. */
const O_CLOEXEC = 0o2000000
const ownNetns = '/proc/thread-self/ns/net'

/** Where a DaemonSet mounts the node's /proc/sys/net. */
const hostSysctls = '/host/proc/sys/net'

/** The namespace of this thread, once it has entered another one. */
let home: number | undefined

/** What may run inside a namespace: not a promise, nor a function that waits. */
export type Immediate<T> = T extends PromiseLike<unknown> ? never : T

/** An open network namespace; it exists at least as long as this object is not closed. */
export class Netns implements Disposable {
  readonly #fd: Fd
  /** The inode of the namespace: its identity in this kernel. */
  readonly inode: bigint

  /** Takes a descriptor of a namespace. */
  constructor (fd: Fd) {
    this.#fd = fd
    this.inode = fstatSync(fd.number, { bigint: true }).ino
  }

  /** Opens by name under /run/netns or by absolute path (`/proc/<pid>/ns/net`). Throws `SysError` (ENOENT, EACCES). */
  static open (nameOrPath: string): Netns {
    const path = nameOrPath.startsWith('/') ? nameOrPath : `/run/netns/${namePart(nameOrPath)}`
    const netns = new Netns(new Fd(openPath(path)))
    try {
      netns.run(() => undefined) // EINVAL now rather than later when it is some other file
    } catch (error) {
      netns.close()
      throw error
    }
    return netns
  }

  /** A new namespace without a name, gone when closed. It has only `lo`, which is down. Needs CAP_SYS_ADMIN. */
  static openNew (): Netns {
    return abroad(() => { call('unshare', () => libc.unshare(CLONE_NEWNET)) }, () => Netns.openOwn())
  }

  /** The namespace of this thread. */
  static openOwn (): Netns {
    return new Netns(new Fd(openPath(ownNetns)))
  }

  /** Runs `task` inside. Aborts the process if it cannot come back: going on in a pod's namespace would be worse. */
  run<T> (task: () => Immediate<T>): T {
    return abroad(() => { call('setns', () => libc.setns(this.#fd.number, CLONE_NEWNET)) }, task)
  }

  /** Another descriptor of it, for a `Netns` in another thread. Throws `SysError`. */
  duplicate (): Fd { return this.#fd.duplicate() }

  /** Reads /proc/sys/net/`name` of the namespace, e.g. `ipv4/ip_local_port_range`; `undefined` where there is none. */
  readSysctl (name: string): string | undefined {
    return this.run<string | undefined>(() => {
      try {
        return readFileSync(`/proc/sys/net/${name}`, 'utf8').trim()
      } catch {
        return undefined
      }
    })
  }

  /**
   * Writes /proc/sys/net/`name` of the namespace. Throws what `fs` throws. In a container /proc/sys is read-only; the same
   * files can be mounted once more at /host/proc/sys/net, and belong to the namespace of who opens them there, too.
   */
  writeSysctl (name: string, value: string): void {
    this.run(() => {
      try {
        writeFileSync(`/proc/sys/net/${name}`, value)
      } catch (error) {
        if (codeOf(error) !== 'EROFS' || !existsSync(hostSysctls)) throw error
        writeFileSync(`${hostSysctls}/${name}`, value)
      }
    })
  }

  close (): void { this.#fd.close() }
  [Symbol.dispose] (): void { this.close() }
}

function openPath (path: string): number {
  return call('open', () => libc.open(path, O_CLOEXEC), path)
}

/** Runs `task` when `leave` has left the namespace of this thread, and comes back. */
function abroad<T> (leave: () => void, task: () => T): T {
  home ??= openPath(ownNetns)
  leave()
  try {
    return task()
  } finally {
    comeBack(home)
  }
}

function comeBack (to: number): void {
  if (libc.setns(to, CLONE_NEWNET) === 0) return
  console.error('cannot leave a network namespace; aborting')
  process.abort()
}

function namePart (name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new RangeError(`not the name of a network namespace: ${JSON.stringify(name)}`)
  }
  return name
}
