/** A bare TCP socket: an application, or a peer without an agent. */

import { errnos, errorOf, nameOfErrno, read, resetOnClose, shutdownWrite, write } from '../../../sys/index.ts'
import { received } from './leg.ts'
import type { Address, Fd } from '../../../sys/index.ts'
import type { Chunk, Chunks } from './chunk.ts'
import type { Failure, Flushed, Leg } from './leg.ts'
import type { Loop, Wire } from './loop.ts'

const { EAGAIN } = errnos

export class PlainLeg implements Leg {
  readonly wire: Wire
  readonly receivesBare = true
  readonly sendsBare = true
  readonly #loop: Loop
  readonly #fd: Fd
  readonly #chunks: Chunks
  #held: { readonly chunk: Chunk, at: number, left: number } | undefined
  #failure: Failure | undefined

  /** Takes over `fd`, which `wire` has in `loop`. */
  constructor (fd: Fd, wire: Wire, loop: Loop, chunks: Chunks) {
    this.#fd = fd
    this.wire = wire
    this.#loop = loop
    this.#chunks = chunks
  }

  get isEnding (): boolean { return this.wire.hungUp }
  get failure (): Failure | undefined { return this.#failure }

  receive (to: Address, room: number): number {
    const { wire } = this
    if (this.#failure !== undefined) return received.failed
    if (!wire.readable) return received.none
    const count = read(wire.fd, to, room)
    if (count > 0) {
      // A short read has emptied the queue; what comes later is a new edge. A FIN has told itself by `hungUp`.
      if (count < room && wire.isEmptyAfterShortRead) wire.readable = false
      return count
    }
    if (count === 0) return received.end
    if (count === -EAGAIN) { wire.readable = false; return received.none }
    return this.fail(count)
  }

  send (chunk: Chunk, length: number): boolean {
    const count = this.#write(chunk.payload, length)
    if (count < 0 || count === length) return false
    this.#held = { chunk, at: count, left: length - count }
    return true
  }

  settle (): void {}

  flush (): Flushed {
    if (this.#failure !== undefined) return 'failed'
    const held = this.#held
    if (held === undefined) return 'empty'
    if (!this.wire.writable) return 'held'
    const count = this.#write(held.chunk.payload + held.at as Address, held.left) // inside the payload
    if (count < 0) return 'failed'
    held.at += count
    held.left -= count
    if (held.left > 0) return 'held'
    this.#letGo()
    return 'empty'
  }

  finish (): void {
    const result = shutdownWrite(this.wire.fd)
    if (result < 0 && result !== -errnos.ENOTCONN) this.fail(result)
  }

  control (): void {}

  watch (): typeof received.none { return received.none }

  lose (): void {
    const error = errorOf(this.wire.fd)
    this.fail(error < 0 ? error : -errnos.ECONNRESET)
  }

  abort (): void {
    if (this.#fd.isOpen) resetOnClose(this.#fd.number)
    this.conclude()
  }

  conclude (): void {
    this.#letGo()
    this.#loop.remove(this.wire)
    this.#fd.close()
  }

  fail (result: number): typeof received.failed {
    this.#failure ??= { kind: 'reset', detail: nameOfErrno(result) }
    return received.failed
  }

  /** How many of the bytes the kernel has taken, perhaps none; negative when the leg has failed. */
  #write (from: Address, length: number): number {
    const count = write(this.wire.fd, from, length)
    if (count === length) return count
    if (count < 0 && count !== -EAGAIN) return this.fail(count)
    this.wire.writable = false // the kernel's buffer is full; room is a new edge
    return Math.max(0, count)
  }

  #letGo (): void {
    if (this.#held === undefined) return
    this.#chunks.give(this.#held.chunk)
    this.#held = undefined
  }
}
