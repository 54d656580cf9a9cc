/**
 * A connection to another agent, under TLS: frames in both directions.
 *
 * Before `open` only control frames are read, and the first data frame stays where it is; they are given to
 * `onControl`. After it data is delivered, and the frames that end or abort a direction are obeyed here. After
 * `conclude` it is as before `open`.
 *
 * Where both verdicts are content with `authenticate` each direction leaves TLS: a leave frame, close_notify, bare
 * bytes (`HandoverLeg` has them). So that none of those ends in OpenSSL's buffer, nothing is read ahead before it is
 * known that the connection stays.
 */

import { FrameAllowance, FrameType, HandshakeError, decodeEnd, decodeVerdict, encodeEnd } from '../../../frames/index.ts'
import { Memory, resetOnClose } from '../../../sys/index.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { received } from './leg.ts'
import { linger } from './linger.ts'
import type { Address, Fd, TlsConnection } from '../../../sys/index.ts'
import type { VerdictMessage } from '../../../frames/index.ts'
import type { SecureMode } from '../../../model/mode.ts'
import type { Chunk } from './chunk.ts'
import type { Failure, Flushed, Leg } from './leg.ts'
import type { Loop, Wire } from './loop.ts'

export interface SecureLegParts {
  readonly fd: Fd
  readonly wire: Wire
  readonly tls: TlsConnection
  readonly loop: Loop
  /** Whether the connection may leave TLS; `tls` has read nothing ahead. */
  readonly mayLeave: boolean
  /** A control frame for the main thread. */
  onControl (type: number, payload: Uint8Array): void
  /** The connection is gone for good. */
  onGone (): void
}

/** Where no byte goes. */
const nowhere = new Memory(1)

export class SecureLeg implements Leg {
  readonly wire: Wire
  readonly receivesBare = false
  readonly isEnding = false // an end frame says nothing of itself before it is read
  readonly #parts: SecureLegParts
  readonly #tls: TlsConnection
  readonly #writer: FrameWriter
  readonly #reader: FrameReader
  /** An end, a leave or a reset that has its turn once the leg is open, or when the bytes before it are out. */
  #due: { readonly type: FrameType, readonly payload: Uint8Array } | undefined
  #allowance = new FrameAllowance()
  #ours: SecureMode | undefined
  #theirs: SecureMode | undefined
  #verdictHeard = false
  /** The last one that was heard, perhaps of another connection. */
  #verdict: { readonly payload: Uint8Array, readonly message: VerdictMessage } | undefined
  #leaveHeard = false
  #hasLeft = false
  #endSent = false
  #endReceived = false
  /** A connection is over, and no other has begun to move bytes: those of the last one may still be with the kernels. */
  #rests = false
  /** Everything that either end has sent is known to have arrived. */
  #isSettled = false
  #failure: Failure | undefined
  #broken: HandshakeError | undefined

  constructor (parts: SecureLegParts) {
    this.#parts = parts
    this.wire = parts.wire
    this.#tls = parts.tls
    this.#writer = new FrameWriter(parts.tls, parts.wire, detail => { this.#break('handshake-failed', detail) })
    this.#reader = new FrameReader(parts.tls, parts.wire, {
      begin: type => { this.#begin(type) },
      control: (type, payload) => { this.#heard(type, payload) },
      closed: () => { this.#closed() },
      broken: (code, detail) => { this.#break(code, detail) },
    })
    if (!parts.mayLeave) this.#reader.readAhead()
  }

  /** Whether it was not released yet. */
  get isOpen (): boolean { return this.#parts.fd.isOpen }
  get failure (): Failure | undefined { return this.#failure }

  /** Why TLS or the frames broke, where it was that. */
  get broken (): HandshakeError | undefined { return this.#broken }

  /** The other end's, once it was heard. */
  get verdict (): VerdictMessage | undefined { return this.#verdictHeard ? this.#verdict?.message : undefined }

  /** Whether what comes from now on are bare bytes, which are not ours to read. */
  get hasLeft (): boolean { return this.#hasLeft }
  /** Whether what is sent from now on has to be bare bytes. */
  get sendsBare (): boolean { return this.#writer.hasLeft }
  /** Whether there is no place for another frame. */
  get isLeaving (): boolean { return this.#writer.isLeaving }

  /** From now on data is delivered. `mode` is what our verdict was content with. */
  open (mode: SecureMode): void {
    this.#rests = false
    this.#ours = mode
    this.#reader.wake()
    this.#agree()
  }

  /** Reads what control frames there are, before the leg is open, and after the end. */
  watch (): typeof received.none | typeof received.failed {
    if (this.#endSent && this.#endReceived) return received.none // all is said: how the transport ends means nothing
    return this.receive(nowhere.address, 0) === received.failed ? received.failed : received.none
  }

  lose (): void {
    this.#break('handshake-failed', 'ECONNRESET')
  }

  fail (): typeof received.failed {
    this.lose()
    return received.failed
  }

  receive (to: Address, room: number): number {
    let total = 0
    for (;;) {
      if (this.#failure !== undefined) return total > 0 ? total : received.failed
      if (this.#due !== undefined && (total > 0 || !this.#isOpen)) return total
      if (this.#due !== undefined) {
        const end = this.#obey(this.#due)
        if (end !== undefined) return end
      }
      if (this.#hasLeft) return total
      if (this.#reader.isInData && total === room) return total
      if (!this.#reader.mayGoOn) return total
      const count = this.#reader.step(to + total as Address, room - total) // inside the caller's room
      if (count >= 0) total += count
      else if (this.#failure === undefined) return total
    }
  }

  send (chunk: Chunk, length: number, endFollows: boolean): boolean {
    this.#writer.send(chunk, length, endFollows)
    return false
  }

  settle (): void { if (this.#failure === undefined) this.#writer.settle() }

  flush (): Flushed { return this.#failure === undefined ? this.#writer.flush() : 'failed' }

  /** Sends a whole control frame, now or as soon as the wire takes it. */
  control (frame: Uint8Array): void {
    this.#isSettled = false // this one may still be on its way
    if (this.#failure === undefined) this.#writer.control(frame)
  }

  /** As `control`, but it may wait for what else is said before `settle`. */
  gather (frame: Uint8Array): void {
    this.#isSettled = false // as above
    if (this.#failure === undefined) this.#writer.gather(frame)
  }

  finish (): void {
    if (this.#endSent) return
    this.#endSent = true
    this.control(encodeEnd(this.#endReceived))
  }

  conclude (): void {
    this.#rests = true
    this.#verdictHeard = this.#endSent = this.#endReceived = false
    this.#ours = this.#theirs = undefined
    this.#allowance = new FrameAllowance()
    this.#reader.wake()
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
    this.settle()
    if (this.#isSettled) {
      resetOnClose(this.#parts.fd.number)
      this.release()
    } else if (this.#failure !== undefined) {
      this.release()
    } else {
      const { loop, tls } = this.#parts
      linger(this, tls, loop, this.#endSent && this.#endReceived || this.#rests)
    }
  }

  /** Lets go of TLS; descriptor and wire go on to whoever has the bare bytes. Only when both directions have left. */
  surrender (): void {
    this.#tls.close()
    this.#parts.onGone()
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

  /** Close_notify: without an end or a leave frame even a proper close is a truncation. */
  #closed (): void {
    if (!this.#leaveHeard) { this.#break('handshake-failed', 'peer-closed'); return }
    this.#hasLeft = true
    this.wire.readable = true // whether bare bytes wait there, TLS does not know
  }

  #begin (type: FrameType): void {
    const isContent = type === FrameType.data || type === FrameType.end || type === FrameType.leave
    if (this.#leaveHeard) throw new HandshakeError('protocol-error', 'a frame after the last')
    if (isContent && this.#endReceived) throw new HandshakeError('protocol-error', 'data after the end')
    if (isContent && !this.#verdictHeard) throw new HandshakeError('protocol-error', 'data before the verdict')
  }

  #heard (type: FrameType, payload: Uint8Array): void {
    if (!this.#allowance.take(performance.now())) { this.#break('protocol-error', 'too many control frames'); return }
    if (type === FrameType.verdict) this.#hearVerdict(payload)
    if (this.#isOpen && type === FrameType.greeting) { this.#break('protocol-error', 'second greeting'); return }
    // What ends a direction waits until the bytes before it are out; a reset is told at once as well, to whom it may concern.
    const isLast = type === FrameType.end || type === FrameType.leave
    if (isLast || type === FrameType.reset) this.#due = { type, payload }
    if (!isLast && !(this.#isOpen && type === FrameType.reset)) this.#parts.onControl(type, payload)
  }

  #hearVerdict (payload: Uint8Array): void {
    this.#verdictHeard = true
    try {
      // On a session that carries one connection after another it is nearly always the same.
      if (this.#verdict === undefined || Buffer.compare(this.#verdict.payload, payload) !== 0) this.#verdict = { payload, message: decodeVerdict(payload) }
    } catch {
      this.#break('protocol-error', 'malformed verdict')
      return
    }
    const { message } = this.#verdict
    if (message.accepted) this.#theirs ??= message.mode
    this.#agree()
  }

  get #isOpen (): boolean { return this.#ours !== undefined }

  /** Leaves when both ends are known to be content with it; stays when one is known not to be. */
  #agree (): void {
    if (this.#reader.readsAhead) return
    if (this.#ours === 'encrypt' || this.#theirs === 'encrypt') this.#reader.readAhead()
    else if (this.#isAgreed && !this.#endSent) this.#writer.leave()
  }

  get #isAgreed (): boolean { return !this.#reader.readsAhead && this.#ours === 'authenticate' && this.#theirs === 'authenticate' }

  /** The end that was due: what to tell of it, if anything. */
  #obey ({ type, payload }: { readonly type: FrameType, readonly payload: Uint8Array }): number | undefined {
    this.#due = undefined
    if (type === FrameType.leave) {
      if (!this.#isAgreed) { this.#break('protocol-error', 'nobody has agreed to leave'); return received.failed }
      this.#leaveHeard = true
      return undefined
    }
    if (type === FrameType.reset) {
      this.#failure = { kind: 'told', payload }
      return received.failed
    }
    try {
      this.#isSettled = decodeEnd(payload) && this.#endSent
    } catch {
      this.#break('protocol-error', 'malformed end')
      return received.failed
    }
    this.#endReceived = true
    return received.end
  }

  #break (code: 'handshake-failed' | 'protocol-error', detail: string): void {
    this.#broken ??= new HandshakeError(code, detail)
    this.#failure ??= { kind: 'reset', detail }
  }
}
