/**
 * Sessions that rest, lent to what moves the bytes: it serves the next connections on them by itself, a fraction of what
 * asking the main thread each time costs, and tells of each as it begins.
 *
 * It still knows no policy. What it may do was decided before, for one session and for the state of affairs of that
 * moment (`Lender.state`): whatever a decision may rest on changes the state, at once and for all threads, and then
 * nothing begins any more on what was lent before.
 */

import type { InnerDial } from '../capture/index.ts'
import type { Session, SessionPattern, VerdictMessage } from '../handshake/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Ending, Meter, Revocation } from './ending.ts'
import type { Connection } from './transport.ts'

export interface Lender {
  /** Of affairs, as a number. */
  readonly state: number
  /** From now on no connection begins on what was lent until now. */
  revoke (): void
  /** Lends a session that rests and belongs to this transport; `undefined` where that is not to be had now. Takes over what `terms` holds. */
  lend (session: Session, terms: Terms, borrower: Borrower): Loan | undefined
}

export interface Terms extends Limits {
  /** What our end says to each connection; it accepts. */
  readonly verdict: VerdictMessage
  readonly greetings: SessionPattern
  /** `Lender.state` before the decision was made. */
  readonly state: number
  /** When the decision ends, ms since the epoch. */
  readonly untilMs: number
  readonly serves: Serves
}

/** How long a session may be gone on with. */
export interface Limits {
  /** Most connections that it may have carried when the next one begins. */
  readonly mostUses: number
  /** How long it may rest, and how much older it may become, ms. */
  readonly restMs: number
  readonly ageMs: number
}

/** Which connections. */
export type Serves =
  /** What is accepted where this connection was, and has dialled the same. The other end has `answerMs` to answer. */
  | { readonly is: 'dialled', readonly like: Connection, readonly answerMs: number }
  /** What the other end begins; the application is dialled, in `dialMs`. */
  | { readonly is: 'arriving', readonly dial: InnerDial, readonly dialMs: number }

export interface Loan {
  /** Ends the session, after the connection that it carries, if any; `gone` follows. */
  end (): void
}

/** Hears what becomes of a loan. */
export interface Borrower {
  /** Another connection has begun on the session. */
  began (repeat: Repeat): RepeatEvents
  /** The session rests here again, and nobody has it: the next connection wants to be decided about. */
  returned (): void
  /** The session is gone, or (after `undialled`) somebody ends it. `isStale`: it was found dead when a connection was to begin on it. */
  gone (isStale: boolean): void
}

/** A connection that has begun. */
export interface Repeat {
  /** As the session's; 32 hex digits. */
  readonly flowId: string
  /** Who was accepted; `undefined` where it has arrived on the session. */
  readonly remote: SocketAddress | undefined
  /** How long it took from then until it was agreed, ms. */
  readonly tookMs: number
  /** Ends it. */
  revoke (why: Revocation): void
}

export interface RepeatEvents {
  readonly moved: Meter
  /** It is over; the session rests, still lent, or is gone. */
  ended (ending: Ending): void
  /** The application could not be dialled, with an errno as `code`. The loan is over; the session still has to be told and ended. */
  undialled (error: Error): void
}
