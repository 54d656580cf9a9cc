/**
 * A connection to another agent that leaves TLS: each direction begins as frames and goes on as bare bytes, where both
 * ends are content with that. What has left is a TCP connection like any other: a FIN is its end, a reset its abort.
 */

import { PlainLeg } from './plain-leg.ts'
import type { Address, Fd } from '../../../sys/index.ts'
import type { Chunk, Chunks } from './chunk.ts'
import type { Failure, Flushed, Leg } from './leg.ts'
import type { Loop, Wire } from './loop.ts'
import type { SecureLeg } from './secure-leg.ts'

export class HandoverLeg implements Leg {
  readonly wire: Wire
  /** Until both directions have left. */
  #secure: SecureLeg | undefined
  readonly #plain: PlainLeg

  /** `fd` is the one of `secure`, which `wire` has in `loop`. */
  constructor (secure: SecureLeg, fd: Fd, loop: Loop, chunks: Chunks) {
    this.wire = secure.wire
    this.#secure = secure
    this.#plain = new PlainLeg(fd, secure.wire, loop, chunks)
  }

  get isEnding (): boolean { return this.receivesBare && this.#plain.isEnding }
  get receivesBare (): boolean { return this.#secure?.hasLeft ?? true }
  get sendsBare (): boolean { return this.#secure?.sendsBare ?? true }
  get failure (): Failure | undefined { return this.#plain.failure ?? this.#secure?.failure }

  receive (to: Address, room: number): number {
    const secure = this.#secure
    if (secure !== undefined && !secure.hasLeft) {
      const count = secure.receive(to, room)
      if (count !== 0 || !secure.hasLeft) return count
      this.#surrender()
    }
    return this.#plain.receive(to, room)
  }

  send (chunk: Chunk, length: number, endFollows: boolean): boolean { return this.#sender.send(chunk, length, endFollows) }
  settle (): void { this.#sender.settle() }

  flush (): Flushed {
    const flushed = this.#sender.flush()
    if (flushed !== 'empty' || this.#secure === undefined) return flushed
    this.#surrender()
    return this.#sender.flush()
  }

  finish (): void { this.#sender.finish() }

  /** There is no place for a frame among bare bytes: what it says is then not told. */
  control (frame: Uint8Array): void {
    if (this.#secure?.isLeaving === false) this.#secure.control(frame)
  }

  watch (): ReturnType<Leg['watch']> { return (this.receivesBare ? this.#plain : this.#secure ?? this.#plain).watch() }
  lose (): void { (this.#secure ?? this.#plain).lose() }
  fail (result: number): ReturnType<Leg['fail']> { return this.#plain.fail(result) }

  abort (frame: Uint8Array | undefined): void {
    if (this.#secure?.isLeaving === false) { this.#secure.abort(frame); return }
    this.#endTls()
    this.#plain.abort()
  }

  /** It may have left TLS, or was ready to: it carries no other connection. */
  conclude (): void {
    const secure = this.#secure
    // Whoever has left, in either direction, ends as plain TCP does: both ends are out already.
    if (secure !== undefined && !secure.isLeaving && !secure.hasLeft) { secure.close(); return }
    this.#endTls()
    this.#plain.conclude()
  }

  get #sender (): Leg { return this.sendsBare ? this.#plain : this.#secure ?? this.#plain }

  /** OpenSSL has nothing to do any more once both directions have left. */
  #surrender (): void {
    if (this.receivesBare && this.sendsBare) this.#endTls()
  }

  #endTls (): void {
    this.#secure?.surrender()
    this.#secure = undefined
  }
}
