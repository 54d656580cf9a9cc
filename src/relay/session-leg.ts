/** A leg that is a session with another agent. */

import { codeOf, messageOf } from '../lib/error.ts'
import type { ResetReason, Session } from '../handshake/index.ts'
import type { Leg, LegSink } from './leg.ts'

export class SessionLeg implements Leg {
  readonly #session: Session
  #over = false

  constructor (session: Session) {
    this.#session = session
  }

  start (sink: LegSink): void {
    this.#session.channel.forward({
      onData: bytes => { sink.onData(bytes) },
      onEnd: () => { sink.onEnd() },
      onFinish: () => { sink.onFinish() },
      onDrain: () => { sink.onDrain() },
      onVerdict: verdict => {
        if (!verdict.accepted) this.#end(() => { sink.onAbort({ kind: 'refused', verdict }) })
      },
      onCertificate: chain => { this.#session.believe(chain) },
      onReset: (reason, detail) => { this.#end(() => { sink.onAbort({ kind: 'told', reason, detail }) }) },
      onBroken: error => { this.#end(() => { sink.onAbort({ kind: 'reset', detail: codeOf(error) ?? messageOf(error) }) }) },
    })
  }

  write (bytes: Uint8Array): boolean { return this.#session.channel.sendData(bytes) }
  end (): void { this.#session.channel.sendEnd() }
  pause (): void { this.#session.channel.pause() }
  resume (): void { this.#session.channel.resume() }

  abort (reason: ResetReason, detail: string): void {
    if (this.#over) return
    this.#over = true
    this.#session.channel.sendReset(reason, detail)
    void this.#session.close()
  }

  close (): void {
    if (this.#over) return
    this.#over = true
    void this.#session.close()
  }

  #end (tell: () => void): void {
    if (this.#over) return
    tell()
    this.close()
  }
}
