/** What the two pages know of a local pod and of the node: interfaces, so that tests can play either. */

import type { InnerDial } from '../capture/index.ts'
import type { HandshakeParts, Session } from '../handshake/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClientAddress, OriginalDestination } from '../model/address.ts'
import type { UnverifiedPeer } from '../model/peer.ts'
import type { Identity } from '../model/workload.ts'
import type { FlowRecorder, Metrics } from '../observe/index.ts'
import type { PolicySet } from '../policy/index.ts'
import type { Connection, Lender, Transport } from '../relay/index.ts'
import type { IdleSessions } from './idle.ts'
import type { Places } from './places.ts'
import type { Registry } from './registry.ts'

/** The captured pod that a connection belongs to. */
export interface LocalPod {
  /** As of now: it changes with the pod's labels. */
  identity (): Identity
  readonly handshake: HandshakeParts
  /** For connections. */
  readonly places: Places
  /** For handshakes under way. */
  readonly handshakes: Places
  /** Aborts, with a Revocation, when the pod goes away or the agent stops. */
  readonly closing: AbortSignal
  /** Dials where the pod dialled, from the pod's own address. Rejects with an error that has an errno `code`. */
  dialOut (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection>
  /** Dials the application in the pod, with the client's address as source. */
  dialPod (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection>
  /** What `dialPod` takes, for others to dial the application of the pod; `undefined` where only the pod can. */
  innerDial (client: Connection, to: OriginalDestination): InnerDial | undefined
  /** Whether an agent answered on a connection of `dialOut`. */
  agentAnswered (server: Connection): boolean
  /** Whether an agent has opened an accepted inbound connection. */
  agentSpeaks (client: Connection): boolean
  /** Whether the pod's own node has opened an inbound connection on which no agent speaks. */
  isFromNode (client: ClientAddress, to: OriginalDestination): boolean
}

export interface Timeouts {
  /** Longest time for a dial, ms. */
  readonly connectMs: number
  /** Longest time for everything else between accept and permit, ms. */
  readonly handshakeMs: number
}

/** What all connections of the node share. */
export interface NodeParts {
  readonly recorder: FlowRecorder
  readonly transport: Transport
  /** Of the transport, where sessions are lent. */
  readonly lender: Lender | undefined
  readonly registry: Registry
  readonly idle: IdleSessions
  /** The policies as of now. */
  policies (): PolicySet
  readonly clock: Clock
  readonly metrics: Pick<Metrics, 'handshakeEnded' | 'sessionUsed'>
  readonly timeouts: Timeouts
}

/** The other end of a connection, as far as it could be proven. */
export type Secured =
  | { readonly kind: 'verified', readonly session: Session }
  | { readonly kind: 'plain', readonly connection: Connection, readonly peer: UnverifiedPeer }
