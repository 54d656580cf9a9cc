/**
 * One end of a relayed connection, whatever carries it.
 *
 * `join` copies between two legs. A leg hides whether the end of a direction is a FIN or an end frame, and whether
 * an abort is a TCP reset or a reset frame; both survive the way from one application to the other.
 */

import type { ResetReason } from '../../handshake/index.ts'
import type { Abort } from '../ending.ts'

export interface LegSink {
  /** Bytes from this leg; valid during the call only. `Leg.write` copies them. */
  onData (bytes: Uint8Array): void
  /** No more bytes will come; the other direction goes on. */
  onEnd (): void
  /** What was written before `end` has been handed to the kernel. */
  onFinish (): void
  /** The leg is over, abnormally. Heard at most once, and nothing after it. */
  onAbort (abort: Abort): void
  /** `write` may be called again after it had returned false. */
  onDrain (): void
}

export interface Leg {
  /** Begins to deliver; called once. */
  start (sink: LegSink): void
  /** Copies the bytes; false asks for a pause until `onDrain`. */
  write (bytes: Uint8Array): boolean
  /** Ends our direction. */
  end (): void
  pause (): void
  resume (): void
  /** Aborts: the application at the other end sees a reset. Safe to call at any time, also twice. */
  abort (reason: ResetReason, detail: string): void
  /** Both directions have ended cleanly: a socket is gone, a session rests. */
  conclude (): void
}
