/** Control frames of a session whose bytes a relay thread moves. */

import { HandshakeError, expectFrame } from '../../handshake/index.ts'
import { bytesOf, octetsOf } from './octets.ts'
import type { ControlChannel } from '../../handshake/index.ts'
import type { ControlType, Frame, FrameType } from '../../frames/index.ts'
import type { ConnectionId, Shown } from './protocol.ts'
import type { ConnectionReport, RelayThread } from './thread.ts'

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

export class NativeChannel implements ControlChannel {
  readonly id: ConnectionId
  readonly thread: RelayThread
  readonly #queue: Frame[] = []
  #waiter: Waiter<Frame> | undefined
  #broken: Error | undefined
  #isDropped = false
  #sink: ((frame: Frame) => void) | undefined
  #listener: ((type: FrameType | undefined) => void) | undefined
  /** Who waits for the handshake, and who for the end: for a moment each, so that a connection does not keep them. */
  #handshake: Waiter<Shown> | undefined
  #gone: Waiter<void> | undefined

  constructor (id: ConnectionId, thread: RelayThread) {
    this.id = id
    this.thread = thread
    thread.connections.set(id, report => { this.#hear(report) })
  }

  /** Resolves when the TLS handshake is done, with what nobody has looked at yet; rejects with HandshakeError, or with the reason of a `drop`. Asked once, before it can be done. */
  secured (): Promise<Shown> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    return new Promise((resolve, reject) => { this.#handshake = { resolve, reject } })
  }

  async next (type: ControlType): Promise<Uint8Array> {
    return expectFrame(this.#queue.shift() ?? await this.#wait(), type)
  }

  send (frame: Uint8Array): void {
    this.thread.post({ op: 'send', id: this.id, frame: octetsOf(frame) })
  }

  listen (listener: (type: FrameType | undefined) => void): () => void {
    this.#listener = listener
    if (this.#queue.length > 0 || this.#broken !== undefined) this.#tell()
    return () => { this.#listener = undefined }
  }

  /** The thread knows by itself. */
  begin (): void {}

  /** From now on frames go to `sink`, those that wait first. */
  forward (sink: (frame: Frame) => void): void {
    this.#sink = sink
    for (const frame of this.#queue.splice(0)) sink(frame)
  }

  /** Whether nothing waits to be heard. */
  get isQuiet (): boolean { return this.#queue.length === 0 && this.#broken === undefined }

  /** What `sink` was given waits all the same. */
  putBack (frame: Frame): void { this.#queue.push(frame) }

  /** It is not forwarded any more: frames wait again. */
  rest (): void { this.#sink = undefined }

  /** The connection is gone, or belongs to somebody else: nothing more will be heard. */
  leave (): void {
    this.thread.connections.delete(this.id)
  }

  /** Ends it: politely, or at once. Resolves when it is gone. */
  async drop (how: 'reset' | 'politely', reason?: Error): Promise<void> {
    if (this.#sink !== undefined || this.#isDropped) return // what is forwarded ends as a whole
    this.#fail(reason ?? new HandshakeError('handshake-failed', 'closed'))
    this.#isDropped = true
    this.thread.post({ op: 'drop', id: this.id, how })
    if (how === 'politely') await new Promise<void>((resolve, reject) => { this.#gone = { resolve, reject } })
    else this.leave()
  }

  #hear (report: ConnectionReport): void {
    switch (report.is) {
      case 'secured': {
        this.#handshake?.resolve(report)
        this.#handshake = undefined
        return
      }
      // The thread knows no other types, and data is none of ours.
      case 'frame': this.#deliver({ type: report.type as ControlType, payload: bytesOf(report.payload) }); return
      case 'broken': this.#fail(new HandshakeError(report.code, report.detail)); return
      case 'gone': this.leave(); this.#gone?.resolve()
    }
  }

  #deliver (frame: Frame): void {
    if (this.#sink !== undefined) { this.#sink(frame); return }
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter !== undefined) { waiter.resolve(frame); return }
    this.#queue.push(frame)
    this.#tell()
  }

  #wait (): Promise<Frame> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    return new Promise((resolve, reject) => { this.#waiter = { resolve, reject } })
  }

  #fail (error: Error): void {
    this.#broken ??= error
    this.#handshake?.reject(error)
    this.#handshake = undefined
    this.#waiter?.reject(error)
    this.#waiter = undefined
    this.#tell()
  }

  #tell (): void {
    const listener = this.#listener
    this.#listener = undefined
    listener?.(this.#queue[0]?.type)
  }
}
