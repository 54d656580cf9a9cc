/** What is asked of policy: may this connection flow, in one of its two directions? */

import type { IpAddress } from '../model/address.ts'
import type { Mode } from '../model/mode.ts'
import type { Labels } from '../model/labels.ts'
import type { Peer } from '../model/peer.ts'
import type { Identity, NamedPort, Protocol } from '../model/workload.ts'
import type { PolicyDirection } from './normal-form.ts'

export interface Question {
  /** `ingress`: the peer connects to the subject. `egress`: the subject connects to the peer. */
  readonly direction: PolicyDirection
  /**
   * The local workload whose policies decide. Hand over the same object for the same workload: what policies select
   * it is remembered by this object's identity, so a change of its labels needs a new object.
   * Its labels should be all labels of the pod, also those that are not signed.
   */
  readonly subject: Identity
  readonly peer: Peer
  readonly protocol: Protocol
  /** The real destination port after all NAT: a container port, never a Service's. */
  readonly port: number
  /** Named ports of the destination: the subject's for ingress, the peer's signed ones for egress; none for an external one. */
  readonly destinationPorts: readonly NamedPort[]
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  /** How the connection is carried; absent where that is not known (offline): then a required mode is reported, not enforced. */
  readonly mode?: Mode
  /** What else is known, from a source better than the wire. Absent means unknown, and unknown never matches. */
  readonly facts?: PeerFacts
}

/** Facts about the peer and the subject that a certificate does not hold. */
export interface PeerFacts {
  /**
   * The address that is the verified peer's own, as the API server or a manifest says, never what the wire says.
   * Ignored for a peer of another cluster or trust domain: an address means nothing across networks.
   */
  readonly podIp?: IpAddress
  /** Labels of the node that the unverified peer is, or in whose network it runs. */
  readonly nodeLabels?: Labels
  /** Domain names that the unverified peer's address is known to have; lower case, no final dot. */
  readonly domains?: readonly string[]
  /** The unverified peer's address is not known (offline): no CIDR matches it. */
  readonly addressUnknown?: boolean
  /** The subject shares its node's network: no policy has it as its subject. */
  readonly subjectOnHostNetwork?: boolean
}
