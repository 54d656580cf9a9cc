/**
 * One direction of a forwarded connection.
 *
 * Bytes are taken from a leg only when the other has sent what it was given before: so a direction holds at most one
 * chunk or one pipe, and a slow reader stops its writer. Between two bare sockets, from the start or since an agent's
 * connection has left TLS, a direction that is busy changes over to splice(2), and back when it has calmed down: a small message costs less to copy.
 */

import { errnos, splice } from '../../../sys/index.ts'
import { chunkBytes } from './chunk.ts'
import { received } from './leg.ts'
import type { Pipe } from '../../../sys/index.ts'
import type { Chunks } from './chunk.ts'
import type { Leg } from './leg.ts'
import type { Pipes } from './pipes.ts'

/** A direction may move this much before others have their turn, bytes. */
const budgetBytes = 1024 * 1024
/** Between bare sockets: a read of this size is copied; one that fills it shows that splicing pays. */
const copiedBytes = 64 * 1024

/** What a turn comes to: another one is wanted; an edge has to come first; a leg is broken. */
export type Turn = 'again' | 'wait' | 'failed'

export interface LaneParts {
  readonly from: Leg
  readonly to: Leg
  readonly chunks: Chunks
  readonly pipes: Pipes
}

export class Lane {
  /** Application bytes that were taken from the one leg and passed on. */
  moved = 0
  /** No more bytes come. */
  over = false
  /** And the end was passed on, behind the last of them. */
  done = false
  readonly #parts: LaneParts
  #isBusy = false
  #pipe: Pipe | undefined
  #piped = 0

  constructor (parts: LaneParts) {
    this.#parts = parts
  }

  turn (): Turn {
    if (this.done) return 'wait'
    const turn = this.#isBusy ? this.#splice() : this.#copy()
    if (this.#pipe !== undefined && this.#piped === 0) this.#returnPipe(this.#pipe)
    return turn
  }

  /** Gives up what it holds. */
  close (): void {
    // A pipe with bytes in it is of no use to anybody else.
    this.#pipe?.close()
    this.#pipe = undefined
  }

  #copy (): Turn {
    const { from, to, chunks } = this.#parts
    let chunk = chunks.take()
    try {
      for (let left = budgetBytes; ;) {
        const flushed = to.flush()
        if (flushed !== 'empty') return flushed === 'held' ? 'wait' : 'failed'
        if (this.over) { this.done = true; return 'wait' }
        if (left <= 0) return 'again'
        const room = this.#isBare ? copiedBytes : chunkBytes
        const count = from.receive(chunk.payload, room)
        if (count === received.none) return 'wait'
        if (count === received.failed) return 'failed'
        if (count === received.end) { this.#finish(); continue }
        this.moved += count
        left -= count
        if (to.send(chunk, count, from.isEnding && count < room)) chunk = chunks.take()
        if (count >= copiedBytes && this.#isBare) { this.#isBusy = true; return 'again' }
      }
    } finally {
      chunks.give(chunk)
    }
  }

  get #isBare (): boolean { return this.#parts.from.receivesBare && this.#parts.to.sendsBare }

  /** Only between bare legs, which stay bare. */
  #splice (): Turn {
    const { from, to } = this.#parts
    const flushed = to.flush() // what was copied before
    if (flushed !== 'empty') return flushed === 'held' ? 'wait' : 'failed'
    for (let left = budgetBytes; ;) {
      const turn = this.#drain(to)
      if (turn !== undefined) return turn
      if (this.over) { this.done = true; return 'wait' }
      if (left <= 0) return 'again'
      const count = this.#fill(from)
      if (count === received.none) {
        if (left > budgetBytes - copiedBytes) this.#isBusy = false
        return 'wait'
      }
      if (count === received.failed) return from.failure === undefined ? 'again' : 'failed'
      if (count === received.end) this.#finish()
      else left -= count
    }
  }

  /** Empties the pipe; a turn when it could not. */
  #drain (to: Leg): Turn | undefined {
    while (this.#piped > 0 && this.#pipe !== undefined) {
      if (!to.wire.writable) return 'wait'
      const count = splice(this.#pipe.from, to.wire.fd, this.#piped)
      if (count > 0) { this.#piped -= count; this.moved += count; continue }
      if (count !== -errnos.EAGAIN) { to.fail(count < 0 ? count : -errnos.EIO); return 'failed' }
      to.wire.writable = false
    }
    return undefined
  }

  /** Fills the empty pipe: bytes, or one of `received`; 'failed' without a failure asks to copy instead. */
  #fill (from: Leg): number {
    if (!from.wire.readable) return received.none
    this.#pipe ??= this.#parts.pipes.take()
    if (this.#pipe === undefined) { this.#isBusy = false; return received.failed }
    const count = splice(from.wire.fd, this.#pipe.into, this.#pipe.capacity)
    if (count > 0) { this.#piped = count; return count }
    if (count === 0) return received.end
    if (count !== -errnos.EAGAIN) return from.fail(count)
    if (from.wire.urgent) { this.#isBusy = false; return received.failed } // splice(2) stops at the mark and says no more; a read gets past it
    from.wire.readable = false // the pipe is empty, so it is the socket that has nothing
    return received.none
  }

  #finish (): void {
    this.over = true
    this.#parts.to.finish()
  }

  #returnPipe (pipe: Pipe): void {
    this.#parts.pipes.give(pipe)
    this.#pipe = undefined
  }
}
