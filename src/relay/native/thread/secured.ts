/** A connection under TLS that is not forwarded now: control frames come and go, data waits. */

import { HandshakeError } from '../../../frames/index.ts'
import { received } from './leg.ts'
import { SecureLeg } from './secure-leg.ts'
import type { Fd } from '../../../sys/index.ts'
import type { Task } from './loop.ts'
import type { SecureLegParts } from './secure-leg.ts'

export interface SecuredParts extends Omit<SecureLegParts, 'onGone'> {
  /** What had come for a turn was heard. */
  onTurn (): void
  /** Heard at most once; it still has to be dropped. */
  onBroken (error: HandshakeError): void
  onGone (leg: SecureLeg): void
}

export class Secured implements Task {
  readonly leg: SecureLeg
  readonly fd: Fd
  readonly #parts: SecuredParts
  #toldBroken = false
  #hasSpoken = false

  constructor (parts: SecuredParts) {
    this.leg = new SecureLeg({ ...parts, onGone: () => { parts.onGone(this.leg) } })
    this.fd = parts.fd
    this.#parts = parts
    this.resume()
  }

  /** Whether the main thread has nothing to hear of it that it has not heard yet, as far as we know: not since it rests, or began. */
  get isQuiet (): boolean { return !this.#hasSpoken && this.leg.failure === undefined }

  /** The leg was forwarded, and is not any more. */
  resume (): void {
    this.#hasSpoken = false
    this.#parts.loop.assign(this.#parts.wire, this)
  }

  /** The main thread is told what the other end has said. */
  tells (): void { this.#hasSpoken = true }

  run (): boolean {
    const { leg } = this
    leg.settle()
    if (leg.flush() === 'failed' || leg.watch() === received.failed) this.#tell(leg.broken)
    else this.#parts.onTurn()
    return false
  }

  crash (): void {
    this.#tell(new HandshakeError('handshake-failed', 'internal-error'))
  }

  #tell (error: HandshakeError | undefined): void {
    if (this.#toldBroken) return
    this.#toldBroken = true
    this.#parts.onBroken(error ?? new HandshakeError('handshake-failed', 'peer-closed'))
  }
}
