/** Who a workload is: what the issuer signs and policy matches on. */

import type { Labels } from './labels.ts'
import type { SpiffeId } from './spiffe-id.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

/** A named container port. */
export interface NamedPort {
  readonly name: string
  readonly port: number
  readonly protocol: Protocol
}

/** The controller that made the pod, e.g. `{kind: 'Deployment', name: 'web'}`. */
export interface Owner {
  readonly kind: string
  readonly name: string
}

/** The facts about a pod that its issuer vouches for. Every field is always there; unknown is empty. */
export interface WorkloadAttributes {
  readonly cluster: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly owner: Owner | undefined
  readonly labels: Labels
  /** Always holds `kubernetes.io/metadata.name`. */
  readonly namespaceLabels: Labels
  readonly ports: readonly NamedPort[]
  /** Image digests, `sha256:…`. */
  readonly images: readonly string[]
}

/** A workload's proven (or, for a local pod, known) identity. */
export interface Identity {
  readonly spiffeId: SpiffeId
  readonly attributes: WorkloadAttributes
}
