/**
 * What the main thread and a relay thread say to each other. Plain data, posted in batches, in order.
 *
 * A connection is named by a number: what comes to a thread is negative, what the main thread has dialled is positive.
 * From `accepted` or `dial` on, the thread owns the descriptor; it closes it when it is told to, or after `forward`.
 * So as long as the main thread has not said `drop`, `secure` or `forward`, it may ask the kernel about the number.
 */

import type { InnerPorts } from '../../capture/index.ts'
import type { Census, PresharedKey } from '../../sys/index.ts'
import type { SecureMode } from '../../model/mode.ts'
import type { Side } from '../ending.ts'
import type { Octets } from './octets.ts'
import type { Resumable } from './thread/resumable.ts'

export type ConnectionId = number

/** From the main thread. */
export type Order =
  /** Accepts on a listening descriptor that stays the main thread's. */
  | { readonly op: 'listen', readonly listener: number, readonly fd: number }
  | { readonly op: 'unlisten', readonly listener: number }
  /** Connects `fd`; `to` is a sockaddr. */
  | { readonly op: 'dial', readonly id: ConnectionId, readonly fd: number, readonly to: Octets }
  /** Ends a connection that is not forwarded: by a reset, or as politely as it can be. Answered by `gone`. */
  | { readonly op: 'drop', readonly id: ConnectionId, readonly how: 'reset' | 'politely' }
  /** A certificate to be used by `secure`. */
  | { readonly op: 'context', readonly context: number, readonly certificates: readonly Uint8Array[], readonly privateKey: Uint8Array, readonly groups: string }
  /** A handshake of this certificate was verified, and later ones of that peer may rest on it: `peer` says who that is, to tell it from others. */
  | { readonly op: 'keep', readonly context: number, readonly peer: string, readonly resumable: Resumable, readonly forMs: number }
  | { readonly op: 'forget', readonly context: number }
  | SecureOrder
  /** A whole control frame. */
  | { readonly op: 'send', readonly id: ConnectionId, readonly frame: Octets }
  /** `mode` is what our verdict was content with, where one of the two is an agent. */
  | { readonly op: 'forward', readonly client: ConnectionId, readonly server: ConnectionId, readonly mode: SecureMode }
  /** From now on the thread serves what follows on a session that rests, on these terms. */
  | LendOrder
  /** Ends a session that was lent, after what it carries. Answered by `lapsed`, unless it was `returned` on the way. */
  | { readonly op: 'recall', readonly id: ConnectionId }
  /** Ends a forwarded connection, named by its client; an agent at the other end is sent `frame` first. */
  | { readonly op: 'abort', readonly client: ConnectionId, readonly frame?: Uint8Array }
  | { readonly op: 'census' }
  /** Drops everything. Answered by `stopped`. */
  | { readonly op: 'stop' }

export interface SecureOrder {
  readonly op: 'secure'
  readonly id: ConnectionId
  readonly role: 'client' | 'server'
  readonly context: number
  /** Nothing is read ahead until it is known that the connection stays under TLS. */
  readonly mayLeave: boolean
  /** Whether later handshakes may rest on this one. */
  readonly mayResume: boolean
  /** Of a client: what this one may rest on, if the server still knows it. */
  readonly offers?: PresharedKey | undefined
  /** Of a server: its greeting, a whole frame with room for the flow id. It leaves with the first flight, before the client has proven anything. */
  readonly greets?: Octets | undefined
}

/** `../lending.ts` has the words for it. Frames are whole ones; addresses are sockaddrs. */
export interface LendOrder {
  readonly op: 'lend'
  readonly id: ConnectionId
  readonly state: number
  readonly untilMs: number
  readonly mostUses: number
  readonly restMs: number
  readonly ageMs: number
  /** Of the first connection, and how many there were. */
  readonly flowId: Octets
  readonly uses: number
  /** Our greeting with our verdict behind it, and the greeting that has to come. */
  readonly says: Octets
  readonly expects: Octets
  readonly serves: LentFor
}

export type LentFor =
  | { readonly is: 'dialled', readonly listener: number, readonly local: Octets, readonly answerMs: number }
  /** `netns` is the thread's from now on. */
  | { readonly is: 'arriving', readonly netns: number, readonly mark: number, readonly source: Octets, readonly to: Octets, readonly ports: InnerPorts, readonly dialMs: number }

/** What a TLS handshake has shown. */
export interface Shown {
  /** DER, leaf first. Of a server that has `resumed` it is empty: it has proven to be the one that `offers` came from. */
  readonly chain: readonly Uint8Array[]
  readonly flowId: Uint8Array
  /** The handshake rests on an earlier one, which has shown the chain. */
  readonly resumed: boolean
  /** What later ones may rest on; `undefined` where none may, or this one does so itself. */
  readonly leaves: PresharedKey | undefined
}

/** How a forwarded connection ended by itself. */
export type ThreadEnding =
  | { readonly kind: 'completed' }
  /** As it was told to. */
  | { readonly kind: 'aborted' }
  | { readonly kind: 'reset', readonly by: Side, readonly detail: string }
  /** An agent said so; `payload` is that of its reset frame. */
  | { readonly kind: 'told', readonly by: Side, readonly payload: Uint8Array }
  /** Of what has begun on a lent session: the other end has answered with this verdict, in which it does not accept. */
  | { readonly kind: 'refused', readonly payload: Uint8Array }
  /** Of what has begun on a lent session: the application could not be dialled. The session is lent no longer, and rests. */
  | { readonly kind: 'undialled', readonly errno: number }

/** From a relay thread. */
export type Report =
  | { readonly is: 'accepted', readonly id: ConnectionId, readonly listener: number, readonly fd: number, readonly local: Octets, readonly remote: Octets }
  /** An accept failed; the listener goes on. */
  | { readonly is: 'refused', readonly listener: number, readonly errno: number }
  | { readonly is: 'unlistened', readonly listener: number }
  | { readonly is: 'connected', readonly id: ConnectionId }
  /** A dial failed; the connection is gone. */
  | { readonly is: 'failed', readonly id: ConnectionId, readonly errno: number }
  /** The TLS handshake is done; whether what it has shown means anything is for the main thread to say. */
  | { readonly is: 'secured', readonly id: ConnectionId } & Shown
  | { readonly is: 'frame', readonly id: ConnectionId, readonly type: number, readonly payload: Octets }
  /** A secured connection broke before it was forwarded. It still has to be dropped. */
  | { readonly is: 'broken', readonly id: ConnectionId, readonly code: 'handshake-failed' | 'protocol-error', readonly detail: string }
  | { readonly is: 'gone', readonly id: ConnectionId }
  /**
   * A connection has begun on a session that was lent. From now on `id` is its name, in `moved`, `ended` and `abort`.
   * `remote` is who was accepted; empty where it has arrived on the session.
   */
  | { readonly is: 'began', readonly id: ConnectionId, readonly session: ConnectionId, readonly flowId: Octets, readonly remote: Octets, readonly tookMs: number }
  /** A session that was lent rests, and is lent no longer. */
  | { readonly is: 'returned', readonly session: ConnectionId }
  /** A session that was lent is gone. */
  | { readonly is: 'lapsed', readonly session: ConnectionId, readonly isStale: boolean }
  /** Application bytes that were passed on since the last report: triples of id of the client, from client, from server. */
  | { readonly is: 'moved', readonly counts: readonly number[] }
  /**
   * A forwarded connection is over: both descriptors are closed, or will be without further word. But after 'completed' a
   * session is as it was before `forward`, for another connection.
   */
  | { readonly is: 'ended', readonly client: ConnectionId, readonly fromClient: number, readonly fromServer: number, readonly ending: ThreadEnding }
  | { readonly is: 'census' } & Census
  /** Something of ours has thrown; what it concerned has been let go of. */
  | { readonly is: 'fault', readonly what: string }
  /** The last word: what it still held after letting go of all it knew of. */
  | { readonly is: 'stopped' } & Census

/** What a thread starts with. */
export interface ThreadData {
  /** Number of the eventfd that wakes it. */
  readonly bell: number
  /** Set to 1, before the bell is rung, when the process is about to exit. */
  readonly quit: Int32Array<SharedArrayBuffer>
  /** How many of the connections that have come the main thread has heard of, modulo 2^32. */
  readonly heard: Int32Array<SharedArrayBuffer>
  /** The state of affairs that loans rest on. */
  readonly state: Int32Array<SharedArrayBuffer>
  readonly trace: boolean
}
