/** Accepts connections, and tells who came. */

import { Fd, Memory, SysError, accept, errnos, sockaddrBytes, sockaddrOf } from '../../../sys/index.ts'
import type { RawSocket } from './socket.ts'
import type { Loop, Task, Wire } from './loop.ts'

/** Most accepts in one turn: those who are served already must not wait for a flood. */
const mostPerTurn = 64
/** How long to wait when the process has no more descriptors, and when the main thread has not heard of those we have, ms. */
const [exhaustedMs, behindMs] = [100, 10]

export interface ListenerHooks {
  /** Whether nobody more is to be let in now: the kernel's queue has a bound, which whoever floods us should meet. */
  isFull (): boolean
  accepted (socket: RawSocket, local: Uint8Array, remote: Uint8Array): void
  /** An accept failed; the listener goes on. */
  failed (errno: number): void
}

export class Listener implements Task {
  readonly #fd: number
  readonly #loop: Loop
  readonly #hooks: ListenerHooks
  readonly #address = new Memory(sockaddrBytes + 4)
  #wire: Wire | undefined
  #closed = false

  /** `fd` listens, and stays the caller's. */
  constructor (fd: number, loop: Loop, hooks: ListenerHooks) {
    this.#fd = fd
    this.#loop = loop
    this.#hooks = hooks
    this.#wire = loop.addListener(fd, this)
  }

  run (): boolean {
    for (let i = 0; i < mostPerTurn; i++) {
      if (this.#hooks.isFull()) { this.#pause(behindMs); return false }
      if (!this.#acceptOne()) return false
    }
    return false // level-triggered: the next wait tells whether more are there
  }

  crash (): void { this.#fail(0) }

  close (): void {
    if (this.#wire !== undefined) this.#loop.withdraw(this.#wire)
    this.#wire = undefined
    this.#closed = true
  }

  #acceptOne (): boolean {
    const lengthAt = this.#address.at(sockaddrBytes)
    new DataView(this.#address.bytes.buffer).setUint32(sockaddrBytes, sockaddrBytes, true)
    const result = accept(this.#fd, this.#address.address, lengthAt)
    if (result >= 0) { this.#welcome(new Fd(result)); return true }
    switch (-result) {
      case errnos.EAGAIN: return false
      // The client is gone already, or the network says something about it: no matter of ours (accept(2)).
      case errnos.ECONNABORTED: case errnos.EINTR: case errnos.EPROTO: case errnos.ENETDOWN: case errnos.EHOSTUNREACH: case errnos.ENETUNREACH: case errnos.EPERM: return true
      default: this.#fail(-result); return false
    }
  }

  #welcome (fd: Fd): void {
    try {
      this.#hooks.accepted({ fd, wire: this.#loop.add(fd.number, undefined) }, sockaddrOf(fd.number), this.#address.bytes.slice(0, sockaddrBytes))
    } catch (error) {
      fd.close()
      this.#hooks.failed(error instanceof SysError ? error.errno : 0)
    }
  }

  /** Out of descriptors or memory: the queue waits, and so do we, instead of spinning. */
  #fail (errno: number): void {
    this.#hooks.failed(errno)
    this.#pause(exhaustedMs)
  }

  #pause (ms: number): void {
    if (this.#wire !== undefined) this.#loop.withdraw(this.#wire)
    this.#wire = undefined
    this.#loop.after(ms, () => { if (!this.#closed) this.#wire = this.#loop.addListener(this.#fd, this) })
  }
}
