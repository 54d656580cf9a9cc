/** One captured connection, as it is recorded. */

import type { Mode } from './mode.ts'
import type { Outcome } from './outcome.ts'

/** Seen from the local pod: `inbound` arrives at it, `outbound` leaves it. */
export type Direction = 'inbound' | 'outbound'

/** One end of a flow, as far as it is known. Empty strings where it is not. */
export interface FlowEnd {
  readonly spiffeId: string
  readonly cluster: string
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** `ip:port` as seen at this agent. */
  readonly address: string
}

/**
 * The record of one accepted socket; exactly one is written, when the connection has ended.
 * It is a JSON line; field names are stable.
 */
export interface FlowRecord {
  /** End of the connection, RFC 3339 with milliseconds, UTC. */
  readonly time: string
  /** Id shared by the records of both agents when both speak; 32 hex digits. */
  readonly flow: string
  readonly node: string
  readonly direction: Direction
  readonly mode: Mode
  readonly source: FlowEnd
  readonly destination: FlowEnd
  /** What the client dialled (`ip:port`). */
  readonly originalDestination: string
  /** Where it arrived after all NAT (`ip:port`); empty where that is not known. */
  readonly realDestination: string
  /** `verified`, or why not. */
  readonly peer: string
  readonly verdict: 'allowed' | 'denied' | 'undecided'
  /** Text form of the deciding entry at this end, or at the other one for `denied-by-peer`. */
  readonly decidedBy: string
  readonly reason: string
  /** Keys of the other end's labels that the decision at this end depended on; their values are in its `labels`. */
  readonly peerLabels: readonly string[]
  /** What the observe rules would have done; empty without any. */
  readonly observed: string
  readonly outcome: Outcome
  /** Detail of an outcome that has one: a handshake code, an errno. */
  readonly detail: string
  /** Application bytes towards the destination. */
  readonly bytesSent: number
  /** Application bytes towards the source. */
  readonly bytesReceived: number
  /** Milliseconds from accept to the permit (or the refusal). */
  readonly establishMs: number
  /** Milliseconds from accept to the end. */
  readonly durationMs: number
}
