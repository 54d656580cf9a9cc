/** What the policies that select one workload come to: the entries of each tier, in the order in which they are asked. */

import type { Policy, PolicyDirection, PolicyEntry } from './normal-form.ts'

/** One direction of one workload. */
export interface Layers {
  readonly admin: readonly PolicyEntry[]
  /** Deny entries of AccessPolicies. */
  readonly denies: readonly PolicyEntry[]
  /** Policies that isolate the workload; without any, `allows` is not asked. */
  readonly isolatedBy: readonly Policy[]
  /** Allow entries of AccessPolicies, then of NetworkPolicies. */
  readonly allows: readonly PolicyEntry[]
  /** Those of `allows` that can match a proven peer whose address is not known: not those about addresses, nodes and names alone. */
  readonly provenAllows: readonly PolicyEntry[]
  /** Those of `allows` that can match an unverified peer: not those about workloads alone. */
  readonly unprovenAllows: readonly PolicyEntry[]
  readonly baseline: readonly PolicyEntry[]
  /** Entries that require a mode. */
  readonly modes: readonly PolicyEntry[]
  /** How many policies select the workload. */
  readonly policies: number
}

export interface DirectionView {
  readonly enforced: Layers
  /** As if every observing policy and entry were enforced; absent when nothing observes the workload. */
  readonly observed: Layers | undefined
}

export type SubjectView = Readonly<Record<PolicyDirection, DirectionView>>

export function viewOf (policies: readonly Policy[]): SubjectView {
  const sorted = policies.toSorted(comparePolicies)
  return { ingress: directionView(sorted, 'ingress'), egress: directionView(sorted, 'egress') }
}

const kindOrder = ['AdminNetworkPolicy', 'ClusterNetworkPolicy', 'BaselineAdminNetworkPolicy', 'AccessPolicy', 'NetworkPolicy']

/**
 * The order within a tier: priority, then kind (AdminNetworkPolicy before ClusterNetworkPolicy), then namespace and
 * name by code unit. The standards leave equal priorities open; this never depends on the order of arrival.
 */
export function comparePolicies (a: Policy, b: Policy): number {
  return a.priority - b.priority ||
    kindOrder.indexOf(a.ref.kind) - kindOrder.indexOf(b.ref.kind) ||
    compareText(a.ref.namespace, b.ref.namespace) || compareText(a.ref.name, b.ref.name)
}

function compareText (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function directionView (policies: readonly Policy[], direction: PolicyDirection): DirectionView {
  const observing = policies.some(policy => observes(policy, direction))
  return {
    enforced: layersOf(policies, direction, false),
    observed: observing ? layersOf(policies, direction, true) : undefined,
  }
}

function observes ({ observe, isolates, entries }: Policy, direction: PolicyDirection): boolean {
  return observe
    ? isolates.includes(direction) || entries.some(entry => entry.direction === direction)
    : entries.some(entry => entry.observe && entry.direction === direction)
}

function layersOf (policies: readonly Policy[], direction: PolicyDirection, observing: boolean): Layers {
  const taking = policies.filter(policy => observing || !policy.observe)
  const entries = (tier: Policy['tier']): PolicyEntry[] => taking.filter(policy => policy.tier === tier)
    .flatMap(policy => policy.entries).filter(entry => entry.direction === direction && (observing || !entry.observe))
  const access = entries('access')
  const allows = [...access.filter(entry => entry.action === 'allow'), ...entries('network')]
  return {
    admin: entries('admin'),
    denies: access.filter(entry => entry.action === 'deny'),
    isolatedBy: taking.filter(policy => policy.isolates.includes(direction)),
    allows,
    provenAllows: allows.filter(({ peers }) => peers === 'everyone' || peers.some(({ kind }) => kind === 'workload')),
    unprovenAllows: allows.filter(({ peers }) => peers === 'everyone' || peers.some(({ kind }) => kind !== 'workload')),
    baseline: entries('baseline'),
    modes: access.filter(entry => entry.mode !== undefined),
    policies: taking.length,
  }
}
