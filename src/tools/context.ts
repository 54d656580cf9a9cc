/** What every tool has to know besides manifests: whose cluster it is about, and when. */

import type { ClusterName, Endpoint, WorkloadEndpoint } from '../policy/index.ts'

export interface ToolContext {
  /** The cluster of manifests, and of endpoints that do not name one. */
  readonly home: ClusterName
  /** Further clusters whose pods the selectors of standard policies match. */
  readonly sameness: readonly ClusterName[]
  /** Labels that certificates do not carry. */
  readonly unsignedLabels: readonly string[]
  /** The time that is asked about, ms since the epoch. */
  readonly nowMs: number
}

/** What the options default to; `cluster.local` is also Kubernetes' own default. */
export const defaultHome: ClusterName = { trustDomain: 'cluster.local', cluster: 'local' }

/** A pod that policies of selectors can be about: one in its node's network is only an address to them. */
export function isPod (endpoint: Endpoint): endpoint is WorkloadEndpoint {
  return endpoint.kind === 'workload' && !endpoint.hostNetwork
}
