/** What we say to another agent under TLS: frames, each whole before the next begins. */

import { FrameType, encodeLeave, headerBytes, putHeader } from '../../../frames/index.ts'
import { Memory, tlsResult } from '../../../sys/index.ts'
import type { TlsConnection } from '../../../sys/index.ts'
import type { Chunk } from './chunk.ts'
import type { Wire } from './loop.ts'

/** The largest control frame, with header. */
const largestControl = 64 * 1024 + headerBytes

export class FrameWriter {
  readonly #tls: TlsConnection
  readonly #wire: Wire
  readonly #onBroken: (detail: string) => void
  readonly #outbox: Uint8Array[] = []
  #leave: Uint8Array | undefined
  #saidClose = false
  #isBroken = false

  /** `onBroken` is called once; nothing is written after it. */
  constructor (tls: TlsConnection, wire: Wire, onBroken: (detail: string) => void) {
    this.#tls = tls
    this.#wire = wire
    this.#onBroken = onBroken
  }

  /** Whether `leave` was called: then no other frame may follow. */
  get isLeaving (): boolean { return this.#leave !== undefined }
  /** Whether the kernel has the last byte of TLS, and what we send from now on are bare bytes. */
  get hasLeft (): boolean { return this.#saidClose && !this.#tls.isBlocked && !this.#isBroken }

  /** A data frame of the first `length` bytes of the chunk's payload. Only after `flush` said 'empty'. */
  send (chunk: Chunk, length: number): void {
    putHeader(chunk.memory.bytes, FrameType.data, length)
    this.#sendNow(chunk.memory, headerBytes + length)
  }

  /** A whole control frame, now or as soon as the wire takes it. */
  control (frame: Uint8Array): void {
    if (frame.length > largestControl) throw new RangeError(`control frame of ${frame.length} bytes`)
    this.#outbox.push(frame)
    this.flush()
  }

  /** Leaves TLS behind all that was said so far. */
  leave (): void {
    if (this.#leave !== undefined) return
    this.#leave = encodeLeave()
    this.control(this.#leave)
  }

  /** Writes what waits; 'held' until the wire is writable. */
  flush (): 'empty' | 'held' | 'failed' {
    for (;;) {
      if (this.#isBroken) return 'failed'
      if (this.#tls.isBlocked) {
        if (!this.#wire.writable) return 'held'
        this.#push()
        continue
      }
      const frame = this.#outbox.shift()
      if (frame === undefined) return 'empty'
      this.#writeFrame(frame)
    }
  }

  #writeFrame (frame: Uint8Array): void {
    const memory = new Memory(frame.length)
    memory.bytes.set(frame)
    if (frame === this.#leave) this.#writeLast(memory)
    else this.#sendNow(memory, frame.length)
  }

  /** The frame and close_notify in one write. */
  #writeLast (frame: Memory): void {
    if (this.#tls.write(frame.address, frame.length)) {
      this.#tls.sayClose()
      this.#saidClose = true
      this.#push()
    } else {
      this.#break('write')
    }
  }

  #sendNow (memory: Memory, length: number): void {
    if (!this.#isBroken) this.#heed(this.#tls.send(memory.address, length))
  }

  #push (): void {
    this.#heed(this.#tls.flush())
  }

  /** What a send or a flush has come to. */
  #heed (result: number): void {
    if (result === tlsResult.wantsWrite) this.#wire.writable = false
    else if (result === tlsResult.broken) this.#break('write')
  }

  #break (what: string): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#onBroken(this.#tls.error?.code ?? what)
  }
}
