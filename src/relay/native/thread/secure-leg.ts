/**
 * A connection to another agent, under TLS: frames in both directions.
 *
 * Before `open` only control frames are read, and the first data frame stays where it is; they are given to
 * `onControl`. After it data is delivered, and the frames that end or abort a direction are obeyed here.
 */

import { FrameType, HandshakeError, decodeEnd, decodeHeader, encodeEnd, headerBytes, putHeader } from '../../../frames/index.ts'
import { Memory, readBufferBytes, resetOnClose, tlsResult } from '../../../sys/index.ts'
import { received } from './leg.ts'
import { linger } from './linger.ts'
import type { Address, Fd, TlsConnection } from '../../../sys/index.ts'
import type { Chunk } from './chunk.ts'
import type { Failure, Flushed, Leg } from './leg.ts'
import type { Loop, Wire } from './loop.ts'

export interface SecureLegParts {
  readonly fd: Fd
  readonly wire: Wire
  readonly tls: TlsConnection
  readonly loop: Loop
  /** A control frame for the main thread. */
  onControl (type: number, payload: Uint8Array): void
  /** The connection is gone for good. */
  onGone (): void
}

/** Control frames that a peer may send before it is heard: more than it has reason to. */
const mostEarlyFrames = 16
/** So many bytes cannot have come by reads that filled OpenSSL's buffer: the last one was short (records add a little). */
const surelyShort = readBufferBytes / 2
/** The largest control frame, with header. */
const largestControl = 64 * 1024 + headerBytes

export class SecureLeg implements Leg {
  readonly wire: Wire
  readonly #parts: SecureLegParts
  readonly #tls: TlsConnection
  readonly #header = new Memory(headerBytes)
  #headerFilled = 0
  #type: FrameType = FrameType.data
  #left = 0
  #control: Memory | undefined
  /** TLS may hold bytes that no edge will tell of. */
  #more = true
  /** Bytes since OpenSSL was last known to hold none. */
  #unsettled = 0
  /** `edges` of the wire when OpenSSL first read again after that. */
  #edgesThen = 0
  /** An end or a reset that has its turn once the leg is open, or when the bytes before it are out. */
  #due: { readonly type: FrameType, readonly payload: Uint8Array } | undefined
  #early = 0
  #verdictHeard = false
  #open = false
  #endSent = false
  #endReceived = false
  #peerHasSeenOurEnd = false
  readonly #outbox: Uint8Array[] = []
  #failure: Failure | undefined
  #broken: HandshakeError | undefined

  constructor (parts: SecureLegParts) {
    this.#parts = parts
    this.wire = parts.wire
    this.#tls = parts.tls
  }

  /** Whether it was not released yet. */
  get isOpen (): boolean { return this.#parts.fd.isOpen }
  get failure (): Failure | undefined { return this.#failure }

  /** Why TLS or the frames broke, where it was that. */
  get broken (): HandshakeError | undefined { return this.#broken }

  /** From now on data is delivered. */
  open (): void {
    this.#open = true
    this.#more = true
  }

  /** Reads what control frames there are, before the leg is open, and after the end. */
  watch (): typeof received.none | typeof received.failed {
    if (this.#endSent && this.#endReceived) return received.none // all is said: how the transport ends means nothing
    return this.receive(this.#header.address, 0) === received.failed ? received.failed : received.none
  }

  lose (): void {
    this.#break('handshake-failed', 'ECONNRESET')
  }

  receive (to: Address, room: number): number {
    let total = 0
    for (;;) {
      if (this.#failure !== undefined) return total > 0 ? total : received.failed
      if (this.#due !== undefined) return total > 0 ? total : this.#obey(this.#due)
      if (this.#headerFilled === headerBytes && this.#type === FrameType.data && total === room) return total
      if (!this.wire.readable && !this.#more) return total
      const count = this.#step(to + total as Address, room - total) // inside the caller's room
      if (count >= 0) total += count
      else if (this.#failure === undefined) return total
    }
  }

  send (chunk: Chunk, length: number): boolean {
    putHeader(chunk.memory.bytes, FrameType.data, length)
    if (!this.#tls.write(chunk.memory.address, headerBytes + length)) this.#break('handshake-failed', this.#tls.error?.code ?? 'write')
    else this.#push()
    return false
  }

  flush (): Flushed {
    for (;;) {
      if (this.#failure !== undefined) return 'failed'
      if (this.#tls.isBlocked) {
        if (!this.wire.writable) return 'held'
        this.#push()
        if (this.#tls.isBlocked) continue // blocked again, or failed
      }
      const frame = this.#outbox.shift()
      if (frame === undefined) return this.#failure === undefined ? 'empty' : 'failed'
      this.#writeFrame(frame)
    }
  }

  /** Sends a whole control frame, now or as soon as the wire takes it. */
  control (frame: Uint8Array): void {
    if (frame.length > largestControl) throw new RangeError(`control frame of ${frame.length} bytes`)
    this.#outbox.push(frame)
    this.flush()
  }

  finish (): void {
    if (this.#endSent) return
    this.#endSent = true
    this.control(encodeEnd(this.#endReceived))
  }

  abort (frame: Uint8Array | undefined): void {
    if (frame !== undefined && this.#failure === undefined) this.control(frame)
    this.close()
  }

  /**
   * Where both ends know that everything has arrived the connection is reset, which spares both TIME_WAIT (RFC 9293,
   * 3.6). Otherwise it ends politely, so that the last frame gets through.
   */
  close (): void {
    if (this.#endSent && this.#endReceived && this.#peerHasSeenOurEnd) {
      resetOnClose(this.#parts.fd.number)
      this.release()
    } else if (this.#failure !== undefined) {
      this.release()
    } else {
      const { loop, tls } = this.#parts
      linger(this, tls, loop)
    }
  }

  /** Lets go of everything at once. Does nothing the second time. */
  release (): void {
    const { fd, loop, tls, onGone } = this.#parts
    if (!fd.isOpen) return
    loop.remove(this.wire)
    tls.close()
    fd.close()
    onGone()
  }

  /** One read. Negative: nothing more now. Otherwise the application bytes that it gave, perhaps none. */
  #step (to: Address, room: number): number {
    if (this.#headerFilled < headerBytes) {
      const count = this.#read(this.#header.at(this.#headerFilled), headerBytes - this.#headerFilled)
      if (count <= 0) return -1
      this.#headerFilled += count
      if (this.#headerFilled === headerBytes) this.#begin()
      return 0
    }
    if (this.#control !== undefined) return this.#gather(this.#control)
    const count = this.#read(to, Math.min(room, this.#left))
    if (count <= 0) return -1
    this.#left -= count
    if (this.#left === 0) {
      this.#headerFilled = 0
      this.#settle()
    }
    return count
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
    if (this.#tls.hasPending) return
    if (this.#unsettled < surelyShort && this.wire.edges === this.#edgesThen && !this.wire.hungUp && !this.wire.failed) {
      this.wire.readable = false
      this.#more = false
    }
    this.#unsettled = 0
  }

  /** Bytes from TLS; 0 or less when there are none, and then it is known why. */
  #read (to: Address, length: number): number {
    if (this.#unsettled === 0) this.#edgesThen = this.wire.edges
    const count = this.#tls.read(to, length)
    if (count > 0) {
      this.#more = true
      this.#unsettled += count
      return count
    }
    switch (count) {
      case tlsResult.wantsRead: this.wire.readable = false; this.#more = false; this.#unsettled = 0; break
      case tlsResult.wantsWrite: this.wire.writable = false; this.#more = true; break
      // Without an end frame even a proper close is a truncation.
      case tlsResult.closed: this.#break('handshake-failed', 'peer-closed'); break
      default: this.#break('handshake-failed', this.#tls.error?.code ?? 'read')
    }
    return count
  }

  #begin (): void {
    try {
      const { type, length } = decodeHeader(this.#header.bytes)
      const isContent = type === FrameType.data || type === FrameType.end
      if (isContent && this.#endReceived) throw new HandshakeError('protocol-error', 'data after the end')
      if (isContent && !this.#verdictHeard) throw new HandshakeError('protocol-error', 'data before the verdict')
      this.#type = type
      this.#left = length
      if (type === FrameType.data) return
      if (length === 0) this.#complete(new Uint8Array(0))
      else this.#control = new Memory(length)
    } catch (error) {
      this.#break('protocol-error', error instanceof HandshakeError ? error.detail : 'malformed frame')
    }
  }

  #complete (payload: Uint8Array): void {
    this.#control = undefined
    this.#headerFilled = 0
    const type = this.#type
    if (!this.#open && ++this.#early > mostEarlyFrames) { this.#break('protocol-error', 'too many frames before the verdict'); return }
    if (type === FrameType.verdict) this.#verdictHeard = true
    if (this.#open && type === FrameType.greeting) { this.#break('protocol-error', 'second greeting'); return }
    // What ends a direction waits until the bytes before it are out; a reset is told at once as well, to whom it may concern.
    if (type === FrameType.end || type === FrameType.reset) this.#due = { type, payload }
    if (type !== FrameType.end && !(this.#open && type === FrameType.reset)) this.#parts.onControl(type, payload)
  }

  #obey ({ type, payload }: { readonly type: FrameType, readonly payload: Uint8Array }): number {
    if (!this.#open) return received.none
    this.#due = undefined
    if (type === FrameType.reset) {
      this.#failure = { kind: 'told', payload }
      return received.failed
    }
    try {
      this.#peerHasSeenOurEnd = decodeEnd(payload)
    } catch {
      this.#break('protocol-error', 'malformed end')
      return received.failed
    }
    this.#endReceived = true
    return received.end
  }

  #writeFrame (frame: Uint8Array): void {
    const memory = new Memory(frame.length)
    memory.bytes.set(frame)
    if (this.#tls.write(memory.address, frame.length)) this.#push()
    else this.#break('handshake-failed', this.#tls.error?.code ?? 'write')
  }

  #push (): void {
    const result = this.#tls.flush()
    if (result === tlsResult.wantsWrite) this.wire.writable = false
    else if (result === tlsResult.broken) this.#break('handshake-failed', this.#tls.error?.code ?? 'write')
  }

  #break (code: 'handshake-failed' | 'protocol-error', detail: string): void {
    this.#broken ??= new HandshakeError(code, detail)
    this.#failure ??= { kind: 'reset', detail }
  }
}
