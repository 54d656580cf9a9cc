/** What we say to another agent under TLS: frames, each whole before the next begins. */

import { FrameType, encodeLeave, headerBytes, putHeader } from '../../../frames/index.ts'
import { Memory, tlsResult, withMemory } from '../../../sys/index.ts'
import type { TlsConnection } from '../../../sys/index.ts'
import type { Chunk } from './chunk.ts'
import type { Wire } from './loop.ts'

/** The largest control frame, with header. */
const largestControl = 64 * 1024 + headerBytes
/** So much may wait for what follows it: beside the largest data frame it fits into the write buffer. */
const mostGathered = 16 * 1024

export class FrameWriter {
  readonly #tls: TlsConnection
  readonly #wire: Wire
  readonly #onBroken: (detail: string) => void
  #outbox: Uint8Array[] = []
  /** What was said waits for what follows, in the outbox or in the write buffer; the wire takes what it is given. */
  #gathers = false
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

  /**
   * A data frame of the first `length` bytes of the chunk's payload. Only after `flush` said 'empty'. `endFollows`: the
   * caller knows that the end comes next, and both leave together.
   */
  send (chunk: Chunk, length: number, endFollows: boolean): void {
    putHeader(chunk.memory.bytes, FrameType.data, length)
    const waits = endFollows && length <= mostGathered
    if (!this.#gathers && !waits) { this.#sendNow(chunk.memory, headerBytes + length); return }
    this.#putOut()
    this.#put(chunk.memory, headerBytes + length)
    this.#gathers = waits
    if (!waits) this.#push()
  }

  /** A whole control frame, now or as soon as the wire takes it. */
  control (frame: Uint8Array): void {
    this.#keep(frame)
    if (this.#gathers) this.settle()
    else this.flush()
  }

  /** As `control`, but it may wait for what else is said before `settle`: each segment of TCP has its price. */
  gather (frame: Uint8Array): void {
    if (this.#gathers || this.flush() === 'empty') this.#gathers = true
    this.#keep(frame)
    if (this.#outbox.reduce((sum, { length }) => sum + length, 0) > mostGathered) this.settle()
  }

  /** Sends what waits for more. */
  settle (): void {
    if (!this.#gathers) return
    this.#gathers = false
    if (this.#tls.isBlocked) this.#writeOut() // not by the wire, but because what is in the buffer waits for more
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
      if (this.#gathers) return 'empty'
      if (this.#tls.isBlocked) {
        if (!this.#wire.writable) return 'held'
        this.#push()
        continue
      }
      if (this.#outbox.length === 0) return 'empty'
      this.#writeOut()
    }
  }

  #keep (frame: Uint8Array): void {
    if (frame.length > largestControl) throw new RangeError(`control frame of ${frame.length} bytes`)
    this.#outbox.push(frame)
  }

  /** Frames of the outbox in one write; a single one needs no buffer for that. */
  #writeOut (): void {
    const [first] = this.#outbox
    if (first !== undefined && this.#outbox.length === 1 && first !== this.#leave) {
      this.#outbox = []
      lend(first, memory => { this.#sendNow(memory, first.length) })
    } else {
      this.#putOut()
      this.#push()
    }
  }

  /** Puts frames of the outbox into the write buffer, as far as they may wait there together; close_notify behind the last of all. */
  #putOut (): void {
    for (let left = mostGathered; left > 0 && this.#outbox.length > 0;) {
      const frame = this.#outbox.shift() ?? new Uint8Array(0)
      left -= frame.length
      lend(frame, memory => { this.#put(memory, frame.length) })
      if (frame !== this.#leave || this.#isBroken) continue
      this.#tls.sayClose()
      this.#saidClose = true
    }
  }

  #put (memory: Memory, length: number): void {
    if (!this.#isBroken && !this.#tls.write(memory.address, length)) this.#break('write')
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

/** For one small frame at a time: a call that writes has taken the bytes when it returns, and making memory costs more than a small write. */
const scratch = new Memory(4 * 1024)

/** Gives `write` the frame where OpenSSL can read it. */
function lend (frame: Uint8Array, write: (memory: Memory) => void): void {
  const put = (memory: Memory): void => {
    memory.bytes.set(frame)
    write(memory)
  }
  if (frame.length <= scratch.length) put(scratch)
  else withMemory(frame.length, put)
}
