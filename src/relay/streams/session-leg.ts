/** A leg that is a session with another agent. */

import { codeOf, messageOf } from '../../lib/error.ts'
import type { FrameChannel, ResetReason, Session } from '../../handshake/index.ts'
import type { Leg, LegSink } from './leg.ts'

export class SessionLeg implements Leg {
  readonly #session: Session
  readonly #channel: FrameChannel
  #over = false

  /** `channel` is the session's. */
  constructor (session: Session, channel: FrameChannel) {
    this.#session = session
    this.#channel = channel
  }

  start (sink: LegSink): void {
    this.#channel.forward({
      onData: bytes => { sink.onData(bytes) },
      onEnd: () => { sink.onEnd() },
      onFinish: () => { sink.onFinish() },
      onDrain: () => { sink.onDrain() },
      onVerdict: verdict => {
        if (!this.#session.hear(verdict).accepted) this.#end(() => { sink.onAbort({ kind: 'refused', verdict }) })
      },
      onCertificate: chain => { this.#session.believe(chain) },
      onGoingAway: () => { this.#session.peerLeaves() },
      onReset: (reason, detail) => { this.#end(() => { sink.onAbort({ kind: 'told', reason, detail }) }) },
      onBroken: error => { this.#end(() => { sink.onAbort({ kind: 'reset', detail: codeOf(error) ?? messageOf(error) }) }) },
    })
  }

  write (bytes: Uint8Array): boolean { return this.#channel.sendData(bytes) }
  end (): void { this.#channel.sendEnd() }
  pause (): void { this.#channel.pause() }
  resume (): void { this.#channel.resume() }

  abort (reason: ResetReason, detail: string): void {
    if (this.#over) return
    this.#over = true
    void this.#session.abort(reason, detail)
  }

  conclude (): void {
    if (this.#over) return
    this.#over = true
    this.#session.rest()
  }

  #end (tell: () => void): void {
    if (this.#over) return
    tell()
    if (this.#over) return
    this.#over = true
    void this.#session.close()
  }
}
