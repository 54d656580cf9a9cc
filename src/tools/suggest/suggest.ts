/**
 * From recorded flows to the policies that allow them and, among the workloads that are known, nothing else.
 *
 * Every role that took part is isolated. What comes out is put to the test: each recorded flow is judged, and every
 * other pair of known parties is asked about.
 */

import { rehomed } from '../inventory.ts'
import { observedWorkloads } from '../observed-endpoint.ts'
import { endsOf, homeOf, keyOf } from '../records.ts'
import { isHome, policiesOf, rulesOf } from './policies.ts'
import { proofOf } from './proof.ts'
import { groupRoles } from './roles.ts'
import type { ClusterName, ManifestWorkload } from '../../policy/index.ts'
import type { Inventory } from '../inventory.ts'
import type { Observation, ObservedEnd } from '../records.ts'
import type { Evidence, SuggestDirection, SuggestedManifest, SuggestedPolicy } from './policies.ts'
import type { Proof } from './proof.ts'
import type { Role, RoleGroup } from './roles.ts'

export interface SuggestOptions {
  /** The cluster that the policies are for. @default the one of most recorded pods */
  readonly home?: ClusterName
  /** Also allow what was denied, or never decided. @default false */
  readonly includeDenied?: boolean
  /** Directions in which the roles are isolated. @default both */
  readonly directions?: readonly SuggestDirection[]
  /** Allow all of them to ask kube-dns. @default false */
  readonly allowDns?: boolean
}

export interface Suggestion extends Proof {
  readonly policies: readonly SuggestedManifest[]
  readonly evidence: readonly Evidence[]
  /** What a reader has to know before these are applied. */
  readonly notes: readonly string[]
}

/** `manifests` hold further workloads, whom no selector may hit, and the facts that records do not hold. */
export function suggest (observations: readonly Observation[], manifests: Inventory, options: SuggestOptions = {}): Suggestion {
  const { home, includeDenied = false, directions = ['ingress', 'egress'], allowDns = false } = options
  const wanted = observations.filter(({ counts }) => includeDenied || counts.allowed > 0)
  const own = home ?? homeOf(wanted) ?? manifests.context.home
  const known = rehomed(manifests, own)
  const groups = groupRoles(wanted, silentRoles(known, observedWorkloads(endsOf(wanted), known)))
  const suggested = suggestedFor(groups, wanted, { home: own, directions, allowDns })
  const policies = suggested.map(({ manifest }) => manifest)
  const evidence = suggested.flatMap(policy => policy.evidence)
  return { policies, evidence, ...proofOf(wanted, policies, known, directions), notes: notesOf(wanted, directions, allowDns) }
}

function suggestedFor (groups: readonly RoleGroup[], wanted: readonly Observation[], options: Parameters<typeof policiesOf>[3]): SuggestedPolicy[] {
  const groupOf = new Map(groups.flatMap(group => group.roles.map(role => [role.key, group] as const)))
  const peerOf = (end: ObservedEnd) => {
    const group = end.kind === 'workload' ? groupOf.get(keyOf(end)) : undefined
    return { key: group?.roles.map(({ key }) => key).join(' ') ?? keyOf(end), group, end }
  }
  const names = new Set<string>()
  return groups.filter(({ cluster }) => isHome(cluster, options.home)).flatMap(group => {
    const isOwn = (end: ObservedEnd): boolean => end.kind === 'workload' && groupOf.get(keyOf(end)) === group
    return policiesOf(group, freshName(group, names), {
      ingress: rulesOf(wanted.filter(({ destination }) => isOwn(destination)).map(observation => ({ peer: peerOf(observation.source), observation }))),
      egress: rulesOf(wanted.filter(({ source }) => isOwn(source)).map(observation => ({ peer: peerOf(observation.destination), observation }))),
    }, options)
  })
}

/** From the value of the first label that the selector asks for; unique within the namespace. */
function freshName ({ namespace, selector, serviceAccounts }: RoleGroup, taken: Set<string>): string {
  const choice = selector.matchExpressions?.find(({ values }) => values !== undefined)?.values?.join('-')
  const value = Object.values(selector.matchLabels ?? {})[0] ?? choice ?? serviceAccounts?.[0] ?? 'pods'
  const base = `suggested-${value.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 40)}`.replace(/-+$/, '')
  for (let i = 1; ; i++) {
    const name = i === 1 ? base : `${base}-${i}`
    if (taken.has(`${namespace}/${name}`)) continue
    taken.add(`${namespace}/${name}`)
    return name
  }
}

/** The workloads of the manifests of which no pod took part, as roles. */
function silentRoles ({ workloads, context: { home } }: Inventory, took: ReadonlySet<ManifestWorkload>): Role[] {
  return workloads.filter(workload => !took.has(workload) && !workload.endpoint.hostNetwork).map(({ endpoint: { identity: { spiffeId, attributes } } }, i) => {
    return { key: `manifest ${i}`, cluster: home, namespace: attributes.namespace, serviceAccount: spiffeId.serviceAccount, labels: attributes.labels }
  })
}

function notesOf (wanted: readonly Observation[], directions: readonly SuggestDirection[], allowDns: boolean): string[] {
  const dns = 'records hold TCP only: where a CNI enforces these policies too, egress closes UDP, and with it DNS; --allow-dns adds a rule for it'
  if (wanted.length === 0) return ['no recorded flow was allowed, so there is nothing to suggest']
  return [
    ...(directions.includes('egress') && !allowDns ? [dns] : []),
    ...(wanted.some(({ counts }) => counts.allowed === 0) ? ['some of these flows were denied or never decided when they were recorded'] : []),
  ]
}
