/** What every tool has to know besides manifests: whose cluster it is about, and when. */

import type { ClusterName, CompileOptions, Endpoint, WorkloadEndpoint } from '../policy/index.ts'

export interface ToolContext {
  /** The cluster of workloads that do not name one. */
  readonly home: ClusterName
  /** Whether policies are about workloads of `home` only. Else they are about those of every cluster, as if each had the same policies. */
  readonly homeOnly: boolean
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

/** How the policies of manifests are put into force. */
export function compileOptions ({ home, homeOnly, sameness }: ToolContext): CompileOptions {
  return { sameness, ...(homeOnly ? { home } : {}) }
}
