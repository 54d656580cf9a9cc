/** What another agent says to us under TLS: bytes cut into frames, data without being gathered. */

import { FrameType, HandshakeError, decodeHeader, headerBytes } from '../../../frames/index.ts'
import { Memory, readBufferBytes, tlsResult } from '../../../sys/index.ts'
import type { Address, TlsConnection } from '../../../sys/index.ts'
import type { Wire } from './loop.ts'

export interface FrameReaderHooks {
  /** A frame begins. Throws HandshakeError where it may not. */
  begin (type: FrameType): void
  /** A control frame is complete. */
  control (type: FrameType, payload: Uint8Array): void
  /** The peer has said close_notify, between two frames. */
  closed (): void
  /** Nothing more can be read. */
  broken (code: 'handshake-failed' | 'protocol-error', detail: string): void
}

/**
 * So many bytes cannot have come by reads that filled OpenSSL's buffer: the last one was short (records add a little).
 * But for what a record lacks of which OpenSSL has a part already, it reads no further than the record's end.
 */
const surelyShort = readBufferBytes / 2

/** What control frames are read into, one call at a time: to make memory for each costs more than to copy it. */
const scratch = new Memory(4 * 1024)

export class FrameReader {
  readonly #tls: TlsConnection
  readonly #wire: Wire
  readonly #hooks: FrameReaderHooks
  readonly #header = new Memory(headerBytes)
  #headerFilled = 0
  #type: FrameType = FrameType.data
  #left = 0
  #control: Memory | undefined
  /** TLS may hold bytes that no edge will tell of. */
  #more = true
  #readsAhead = false
  /** Bytes since OpenSSL was last known to hold none; at least `surelyShort` where its reads were not made to be short. */
  #unsettled = 0
  /** `edges` of the wire when OpenSSL first read again after that. */
  #edgesThen = 0

  constructor (tls: TlsConnection, wire: Wire, hooks: FrameReaderHooks) {
    this.#tls = tls
    this.#wire = wire
    this.#hooks = hooks
  }

  /** Whether `step` may find something. */
  get mayGoOn (): boolean { return this.#wire.readable || this.#more }
  /** Whether bytes of a data frame come next. */
  get isInData (): boolean { return this.#headerFilled === headerBytes && this.#type === FrameType.data }
  get readsAhead (): boolean { return this.#readsAhead }

  /** Reads as much as there is from now on, beyond a close_notify too. */
  readAhead (): void {
    this.#readsAhead = true
    this.#tls.readAhead()
    // The reads so far asked for no more than a record each: they were not short because there was no more.
    if (this.#unsettled > 0) this.#unsettled = surelyShort
  }

  /** Looks once more, whatever was seen before. */
  wake (): void { this.#more = true }

  /** One read. Negative: nothing more now. Otherwise the application bytes that it gave, at most `room`, perhaps none. */
  step (to: Address, room: number): number {
    if (this.#headerFilled < headerBytes) {
      const count = this.#read(this.#header.at(this.#headerFilled), headerBytes - this.#headerFilled)
      if (count <= 0) return -1
      this.#headerFilled += count
      if (this.#headerFilled === headerBytes) this.#begin()
      return 0
    }
    if (this.#type !== FrameType.data) return this.#control === undefined ? this.#gatherWhole() : this.#gather(this.#control)
    const count = this.#read(to, Math.min(room, this.#left))
    if (count <= 0) return -1
    this.#left -= count
    if (this.#left === 0) {
      this.#headerFilled = 0
      this.#settle()
    }
    return count
  }

  /** Nearly every control frame is there as a whole; only the others need memory of their own while they come. */
  #gatherWhole (): number {
    const length = this.#left
    if (length > scratch.length) return this.#gather(this.#control = new Memory(length))
    const count = this.#read(scratch.address, length)
    if (count <= 0) return -1
    this.#left -= count
    const bytes = scratch.bytes.slice(0, count)
    if (this.#left === 0) {
      this.#complete(bytes)
    } else {
      this.#control = new Memory(length)
      this.#control.bytes.set(bytes)
    }
    return 0
  }

  #gather (control: Memory): number {
    const count = this.#read(control.at(control.length - this.#left), this.#left)
    if (count <= 0) return -1
    this.#left -= count
    if (this.#left === 0) this.#complete(control.bytes)
    return 0
  }

  /**
   * At the end of a frame: spares the read that would only say EAGAIN. When OpenSSL holds nothing, and has not filled
   * its buffer since it last did, its last read of the socket was short. Then what comes later is a new edge, unless
   * one has come since that read: how long ago it was only OpenSSL knows, so any edge counts.
   */
  #settle (): void {
    if (!this.#readsAhead || this.#tls.hasPending) return
    const wire = this.#wire
    if (this.#unsettled < surelyShort && wire.edges === this.#edgesThen && wire.isEmptyAfterShortRead) {
      wire.readable = false
      this.#more = false
    }
    this.#unsettled = 0
  }

  /** Bytes from TLS; 0 or less when there are none, and then it is known why. */
  #read (to: Address, length: number): number {
    const wire = this.#wire
    if (this.#unsettled === 0) this.#edgesThen = wire.edges
    const count = this.#tls.read(to, length)
    if (count > 0) {
      this.#more = true
      this.#unsettled += count
      return count
    }
    switch (count) {
      case tlsResult.wantsRead:
        wire.readable = false
        this.#more = false
        this.#unsettled = this.#tls.hasPending ? surelyShort : 0
        break
      case tlsResult.wantsWrite: wire.writable = false; this.#more = true; break
      case tlsResult.closed: this.#closed(); break
      default: this.#hooks.broken('handshake-failed', this.#tls.error?.code ?? 'read')
    }
    return count
  }

  #closed (): void {
    this.#more = false
    if (this.#headerFilled > 0) this.#hooks.broken('handshake-failed', 'peer-closed')
    else this.#hooks.closed()
  }

  #begin (): void {
    try {
      const { type, length } = decodeHeader(this.#header.bytes)
      this.#hooks.begin(type)
      this.#type = type
      this.#left = length
      if (type !== FrameType.data && length === 0) this.#complete(new Uint8Array(0))
    } catch (error) {
      this.#hooks.broken('protocol-error', error instanceof HandshakeError ? error.detail : 'malformed frame')
    }
  }

  #complete (payload: Uint8Array): void {
    this.#control = undefined
    this.#headerFilled = 0
    this.#hooks.control(this.#type, payload)
  }
}
