/** One end of a forwarded connection, as the thread sees it: calls that never wait and never throw. */

import type { Address } from '../../../sys/index.ts'
import type { Chunk } from './chunk.ts'
import type { Wire } from './loop.ts'

/** What `receive` says when it has no bytes: none now, none any more, the leg is broken. */
export const received = { none: 0, end: -1, failed: -2 } as const

/** What `flush` says: nothing is held, something is until the wire is writable, the leg is broken. */
export type Flushed = 'empty' | 'held' | 'failed'

/** Why a leg is broken. */
export type Failure =
  | { readonly kind: 'reset', readonly detail: string }
  /** The other agent said so; `payload` is that of its reset frame. */
  | { readonly kind: 'told', readonly payload: Uint8Array }

export interface Leg {
  readonly wire: Wire
  /** Whether what comes next are bare bytes, which may be spliced around `receive`. */
  readonly receivesBare: boolean
  /** Whether what is sent next are bare bytes, which may be spliced around `send` when `flush` has said 'empty'. */
  readonly sendsBare: boolean
  /** Whether the end of its bytes has come, and is behind what the kernel still holds: a short `receive` was the last but that. */
  readonly isEnding: boolean
  /** At most `room` application bytes to `to`: their number, or one of `received`. */
  receive (to: Address, room: number): number
  /**
   * Sends the first `length` bytes of the chunk's payload. True when the leg keeps the chunk, until it has sent the
   * rest. Only after `flush` said 'empty'; a failure is told by the next `flush`. `endFollows`: the caller knows that
   * `finish` is next, and the leg may let both leave together, by `settle` at the latest.
   */
  send (chunk: Chunk, length: number, endFollows: boolean): boolean
  /** Sends what waits for more; the last call of a turn. */
  settle (): void
  flush (): Flushed
  /** Sends a whole control frame where an agent hears it; a bare socket has no place for it. */
  control (frame: Uint8Array): void
  /** Ends our direction, after all that was sent. Only after `flush` said 'empty', and followed by `flush`. */
  finish (): void
  /** After the end of its bytes a leg may still be aborted: `none` or `failed`. */
  watch (): typeof received.none | typeof received.failed
  /** The kernel has said that the connection is lost, and nobody has run into it. Sets `failure`. */
  lose (): void
  /** Notes the negative errno of a splice. */
  fail (result: number): typeof received.failed
  /** Set when `receive` or `flush` has said 'failed'. */
  readonly failure: Failure | undefined
  /** Aborts: the application sees a reset; an agent is sent `frame` first, where there is one. */
  abort (frame: Uint8Array | undefined): void
  /** Both directions have ended: a socket is let go, a session is ready for another connection. */
  conclude (): void
}
