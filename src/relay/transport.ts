/**
 * What moves bytes between sockets and agents: an interface with two implementations.
 *
 * `streams` uses Node's own sockets and TLS: the reference. `native` uses threads of its own with epoll, OpenSSL and
 * splice. Both speak the same bytes and keep the same promises (test/conformance/transport.ts); which one is used is
 * a setting. Nothing here knows policy.
 */

import type { HandshakeParts, Session } from '../handshake/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Fd } from '../sys/index.ts'
import type { Ending, Meter, Revocable } from './ending.ts'
import type { Lender } from './lending.ts'

/**
 * A connected TCP socket that nobody has read from. Securing, forwarding or resetting takes it away; its addresses stay
 * known.
 */
export interface Connection extends Disposable {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** For questions to the kernel, such as socket options; `undefined` once the connection was taken away or is gone. */
  readonly descriptor: number | undefined
  /** Ends it with a TCP reset. Does nothing once it was taken away or is gone. */
  reset (): void
  /** As `reset`: ends what nobody has taken. */
  [Symbol.dispose] (): void
}

/** One end of what is forwarded. */
export type End = Connection | Session

export interface ListenHooks {
  /** Gets each connection, unread. */
  serve (connection: Connection): void
  /** An accept failed; the listener goes on. */
  onError (error: Error): void
}

export interface Listening {
  /** Accepts nothing more; resolves when the descriptor is no longer used. Connections go on. */
  close (): Promise<void>
}

export interface DialOptions {
  readonly signal: AbortSignal
  /** The connection that this one will be forwarded with: they have to be in one thread. */
  readonly beside: Connection
}

export interface Transport {
  readonly kind: 'streams' | 'native'
  /** Whether connections can leave TLS: else they stay with `encrypt`, whatever the pod asks for. */
  readonly leavesTls: boolean
  /** Serves what follows on sessions by itself; `undefined` where it cannot. */
  readonly lender: Lender | undefined
  /** Rejects with an Error when the process cannot go on using it: a thread has died. Never resolves. */
  readonly failed: Promise<never>
  /** Accepts on a listening descriptor, which is taken over. */
  listen (listener: Fd, hooks: ListenHooks): Promise<Listening>
  /** Connects a dialer, which is taken over. Rejects with an error whose `code` is an errno, or with the signal's reason. */
  dial (dialer: Fd, to: SocketAddress, options: DialOptions): Promise<Connection>
  /** Proves both ends of a connection that the local pod has opened. The connection is gone when it rejects. */
  secureOutbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session>
  /**
   * Proves both ends of a connection that has arrived for the local pod, and greets with where that was, `local`, as early
   * as it can. The connection is gone when it rejects.
   */
  secureInbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session>
  /** Whether the two can be forwarded to each other: they have to be in one thread. */
  canForward (client: Connection, server: Session): boolean
  /**
   * Moves bytes until both directions have ended. Resolves once, when it is over; never rejects. Sockets are then gone,
   * and so are sessions, unless it was 'completed' and the session rests: then it may carry another connection.
   */
  forward (client: End, server: End, meter: Meter, revocable: Revocable): Promise<Ending>
  /** Ends all that is left, and the threads. */
  close (): Promise<void>
}
