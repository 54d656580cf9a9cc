/**
 * What the agent needs to know of the cluster, whoever tells it: a folder of files, or (later) an API server.
 *
 * `test/conformance/cluster-source.ts` is the contract that every source is held to.
 */

import type { Cidr } from '../model/cidr.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Identity } from '../model/workload.ts'
import type { Unsubscribe } from '../lib/emitter.ts'

/** What of a workload's traffic is not captured. Everything here is a hole that somebody asked for; it is logged. */
export interface Exclusions {
  /** Destination ports of connections to the workload. */
  readonly inboundPorts: readonly number[]
  /** Destination ports of connections from the workload. */
  readonly outboundPorts: readonly number[]
  /** Addresses of the other end, both ways. */
  readonly cidrs: readonly Cidr[]
}

/** A workload of this node. */
export interface LocalWorkload {
  /** `namespace/name`, unique on the node. */
  readonly key: string
  /** A name under /run/netns or a path. */
  readonly netns: string
  readonly exclude: Exclusions
  /** The least that it is content with, from all that was said of it. */
  readonly mode: SecureMode
  readonly identity: Identity
}

/** A policy object as it was found: nothing but its being an object with a kind is known. */
export interface Manifest {
  /** Where a person finds it: `policies/web.yaml:12`. */
  readonly origin: string
  readonly object: unknown
}

/** A part of the facts that cannot be used now; its last good state is still in force. */
export interface SourceFailure {
  /** The file, or the kind of object. */
  readonly origin: string
  readonly source: 'policies' | 'node'
  /** One line, begins with the place. */
  readonly message: string
}

export type ClusterChange =
  | { readonly kind: 'workload-added', readonly workload: LocalWorkload }
  | { readonly kind: 'workload-removed', readonly workload: LocalWorkload }
  /** The same workload in the same namespace of the kernel, with other facts. At least one of the three is true. */
  | { readonly kind: 'workload-changed', readonly workload: LocalWorkload, readonly before: LocalWorkload, readonly identity: boolean, readonly exclusions: boolean, readonly mode: boolean }
  /** The whole set of policy objects is another one now. */
  | { readonly kind: 'manifests-replaced', readonly manifests: readonly Manifest[] }
  /** The list of what cannot be used has changed. */
  | { readonly kind: 'failures-changed', readonly failures: readonly SourceFailure[] }

/**
 * A source of facts. What the getters return is complete from the moment the source exists, and is already new
 * when a listener hears of the change. Changes come in order; a removal of a name comes before its addition anew.
 */
export interface ClusterSource {
  /** Sorted by key. */
  workloads (): readonly LocalWorkload[]
  manifests (): readonly Manifest[]
  /** Sorted by origin. */
  failures (): readonly SourceFailure[]
  onChange (listener: (change: ClusterChange) => void): Unsubscribe
  /** No change is told after this. */
  stop (): void
}
