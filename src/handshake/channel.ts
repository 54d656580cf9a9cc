/**
 * Frames over a duplex stream.
 *
 * Until `forward` is called the channel is pulled: `next` returns one control frame at a time and the stream is
 * paused in between, so a peer cannot make us hold more than one chunk. After it, the channel pushes, until both
 * directions have ended; then it is pulled again, for the next connection.
 */

import {
  FrameAllowance, FrameParser, FrameType, HandshakeError, decodeCertificate, decodeEnd, decodeReset, decodeVerdict, encodeEnd, encodeHeader, encodeReset, maxDataBytes,
} from '../frames/index.ts'
import { codeOf } from '../lib/error.ts'
import { Outbox } from '../lib/outbox.ts'
import { readShared } from '../lib/shared-reads.ts'
import { expectFrame } from './control.ts'
import type { Duplex } from 'node:stream'
import type { ControlType, Frame, ResetReason, VerdictMessage } from '../frames/index.ts'
import type { ControlChannel } from './control.ts'

/** What a forwarding channel tells. `onReset` and `onBroken` are heard at most once, together, and nothing after them. */
export interface ChannelSink {
  /** Application bytes; valid during the call only. */
  onData (bytes: Uint8Array): void
  onEnd (): void
  /** A verdict that comes while forwarding: the server's, which the client end does not wait for. */
  onVerdict (verdict: VerdictMessage): void
  onReset (reason: ResetReason, detail: string): void
  /** The peer has a new certificate; not verified yet. Throws HandshakeError to break the channel. */
  onCertificate (chain: readonly Uint8Array[]): void
  onGoingAway (): void
  /** The stream broke or ended without an end frame: truncation, a reset of TCP, a protocol error. */
  onBroken (error: Error): void
  onDrain (): void
  /** Our end frame, and all before it, has been handed to the kernel. */
  onFinish (): void
}

interface Waiter { readonly resolve: (frame: Frame) => void, readonly reject: (error: Error) => void }

export class FrameChannel implements ControlChannel {
  readonly #stream: Duplex
  readonly #parser = new FrameParser()
  #allowance = new FrameAllowance()
  readonly #outbox: Outbox
  readonly #queue: Frame[] = []
  #waiter: Waiter | undefined
  #listener: ((type: FrameType | undefined) => void) | undefined
  #sink: ChannelSink | undefined
  #broken: Error | undefined
  #isOver = false
  #endSent = false
  #endReceived = false
  #peerHasSeenOurEnd = false
  #finished = false
  #paused = false
  #isIgnoring = false

  constructor (stream: Duplex) {
    this.#stream = stream
    this.#outbox = new Outbox(stream, () => { this.#sink?.onDrain() })
    stream.on('data', (chunk: Uint8Array) => { this.#receive(chunk) })
    stream.on('end', () => { this.#over() })
    stream.on('close', () => { this.#over() })
    stream.on('error', error => { this.#fail(error) })
    stream.pause()
  }

  /** The payload of the next frame, which must be of type `type`; anything else is a protocol error. */
  async next (type: ControlType): Promise<Uint8Array> {
    return expectFrame(this.#queue.shift() ?? await this.#wait(), type)
  }

  listen (listener: (type: FrameType | undefined) => void): () => void {
    this.#listener = listener
    if (this.#queue.length > 0 || this.#isOver) this.#tell()
    else this.#stream.resume()
    return () => { this.#listener = undefined }
  }

  begin (): void {
    this.#allowance = new FrameAllowance()
    this.#endSent = this.#endReceived = this.#peerHasSeenOurEnd = this.#finished = false
  }

  /** From now on nothing that comes is looked at. */
  ignore (): void { this.#isIgnoring = true }

  /** Sends a whole control frame. */
  send (frame: Uint8Array): void {
    this.#peerHasSeenOurEnd = false // this one may still be on its way
    this.#outbox.flush()
    if (this.#stream.writable) this.#stream.write(frame)
  }

  /** Sends a copy of application bytes; false asks for a pause until `onDrain`. */
  sendData (bytes: Uint8Array): boolean {
    if (!this.#stream.writable) return true
    let more = true
    for (let at = 0; at < bytes.length; at += maxDataBytes) {
      const piece = bytes.subarray(at, at + maxDataBytes)
      more = this.#outbox.put(encodeHeader(FrameType.data, piece.length), piece)
    }
    return more
  }

  sendEnd (): void {
    if (this.#endSent) return
    this.#endSent = true
    this.#outbox.flush()
    const sink = this.#sink
    this.#stream.write(encodeEnd(this.#endReceived), () => { sink?.onFinish() })
    this.#finishIfDone()
  }

  sendReset (reason: ResetReason, detail = ''): void {
    this.#finished = true
    this.send(encodeReset(reason, detail))
  }

  /**
   * Whether everything that either end has sent is known to have arrived: our end frame was seen by the peer, and
   * the peer's by us. Then the TCP connection may be reset, and neither side keeps TIME_WAIT (RFC 9293, 3.6).
   */
  get everythingArrived (): boolean { return this.#done && this.#peerHasSeenOurEnd }

  /** From now on frames are pushed to `sink`, those already read first. */
  forward (sink: ChannelSink): void {
    this.#sink = sink
    this.#paused = false
    this.#guarded(() => { for (const frame of this.#queue.splice(0)) this.#deliver(frame) })
    if (this.#broken !== undefined && !this.#finished) { this.#finished = true; sink.onBroken(this.#broken) }
    readShared(this.#stream, chunk => { this.#receive(chunk) })
    if (!this.#paused) this.#stream.resume()
  }

  pause (): void { this.#paused = true; this.#stream.pause() }

  /** Does nothing when both directions have ended: what comes now is not of the connection that asks. */
  resume (): void {
    this.#paused = false
    if (this.#sink !== undefined) this.#stream.resume()
  }

  #wait (): Promise<Frame> {
    if (this.#isOver) this.#fail(closedByPeer())
    if (this.#broken !== undefined) return Promise.reject(brokenBy(this.#broken))
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#stream.resume()
    })
  }

  #receive (chunk: Uint8Array): void {
    if (this.#isIgnoring) return
    this.#guarded(() => {
      for (const frame of this.#parser.push(chunk)) {
        if (frame.type !== FrameType.data && !this.#allowance.take(performance.now())) throw new HandshakeError('protocol-error', 'too many control frames')
        this.#deliver(frame)
      }
    })
  }

  /** Whatever a frame makes us throw breaks this channel, and nothing else. */
  #guarded (work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #deliver (frame: Frame): void {
    if (this.#sink !== undefined) { this.#push(frame, this.#sink); return }
    // A chunk may hold more than one frame: the rest waits here, and the stream waits with it.
    this.#stream.pause()
    if (this.#waiter !== undefined) {
      const { resolve } = this.#waiter
      this.#waiter = undefined
      resolve(frame)
    } else {
      // Data may lie in a buffer that the next read overwrites.
      this.#queue.push(frame.type === FrameType.data ? { ...frame, payload: frame.payload.slice() } : frame)
      this.#tell()
    }
  }

  #tell (): void {
    const listener = this.#listener
    this.#listener = undefined
    listener?.(this.#queue[0]?.type)
  }

  #push (frame: Frame, sink: ChannelSink): void {
    if (this.#finished) return
    if (this.#endReceived && (frame.type === FrameType.data || frame.type === FrameType.end)) {
      throw new HandshakeError('protocol-error', 'data after the end')
    }
    switch (frame.type) {
      case FrameType.data: sink.onData(frame.payload); return
      case FrameType.end: this.#receiveEnd(decodeEnd(frame.payload), sink); return
      case FrameType.verdict: sink.onVerdict(decodeVerdict(frame.payload)); return
      case FrameType.certificate: sink.onCertificate(decodeCertificate(frame.payload)); return
      case FrameType.reset: {
        const { reason, detail } = decodeReset(frame.payload) // a malformed one breaks the channel, which is not finished then
        this.#finished = true
        sink.onReset(reason, detail)
        return
      }
      case FrameType.goingAway: sink.onGoingAway(); return
      case FrameType.greeting: throw new HandshakeError('protocol-error', 'second greeting')
      // Our verdict said `encrypt`: nobody may leave TLS.
      case FrameType.leave: throw new HandshakeError('protocol-error', 'nobody has agreed to leave')
    }
  }

  #receiveEnd (peerHasSeenOurs: boolean, sink: ChannelSink): void {
    this.#endReceived = true
    this.#peerHasSeenOurEnd = peerHasSeenOurs
    sink.onEnd()
    this.#finishIfDone()
  }

  get #done (): boolean { return this.#endSent && this.#endReceived }

  #finishIfDone (): void {
    if (!this.#done) return
    this.#finished = true
    this.#sink = undefined
  }

  #over (): void {
    this.#isOver = true
    // Every connection comes here in the end; an error, with its stack, is made for those that it is news to.
    if (!this.#finished || this.#waiter !== undefined) this.#fail(closedByPeer())
    else this.#tell()
  }

  #fail (error: Error): void {
    if (this.#broken !== undefined) return
    this.#broken = error
    this.#isOver = true
    if (this.#waiter !== undefined) {
      const { reject } = this.#waiter
      this.#waiter = undefined
      reject(brokenBy(error))
    }
    if (this.#sink !== undefined && !this.#finished) { this.#finished = true; this.#sink.onBroken(error) }
    this.#tell()
  }
}

/** For those that wait for a frame: what the kernel (its errors tell the call) or Node's TLS says of the connection is no errno of a dial. */
function brokenBy (error: Error): Error {
  const code = codeOf(error) ?? ''
  return 'syscall' in error || code.startsWith('ERR_') ? new HandshakeError('handshake-failed', code, { cause: error }) : error
}

function closedByPeer (): HandshakeError {
  return new HandshakeError('handshake-failed', 'peer-closed')
}
