/** The other end of a connection: proven, or plainly not and why. */

import type { IpAddress } from './address.ts'
import type { Identity } from './workload.ts'

/** Why a peer has no identity. A closed list: it is a metric label and a log field. */
export type UnverifiedReason =
  | 'no-agent'           // no agent answered, or none spoke
  | 'handshake-refused'  // an agent is there, but the handshake failed
  | 'node'               // the pod's own node (kubelet probes)
  | 'loopback'           // the pod itself
  | 'declared-external'  // `discovery: declared` lists the address as external

export interface VerifiedPeer {
  readonly kind: 'verified'
  readonly identity: Identity
  /** The wire address: for records only. A rule about addresses never matches a verified peer of elsewhere. */
  readonly ip: IpAddress
  /** End of the certificate's validity, ms since the epoch. */
  readonly notAfterMs: number
}

export interface UnverifiedPeer {
  readonly kind: 'unverified'
  readonly reason: UnverifiedReason
  readonly ip: IpAddress
}

export type Peer = VerifiedPeer | UnverifiedPeer
