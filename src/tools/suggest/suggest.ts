/**
 * From recorded flows to the policies that allow them and, among the workloads that are known, nothing else.
 *
 * Every role that took part is isolated. What comes out is put to the test: each recorded flow is judged, and every
 * other pair of known parties is asked about.
 */

import { judgeFlow } from '../../policy/index.ts'
import { hasBit } from '../bits.ts'
import { rehomed, takeInventory } from '../inventory.ts'
import { endpointOf, observedWorkloads } from '../observed-endpoint.ts'
import { outsideOf } from '../outside.ts'
import { outsideParties, workloadParties } from '../parties.ts'
import { mergeRanges, portCuts, rangesOf } from '../ports.ts'
import { Reachability } from '../reachability.ts'
import { describeEnd, endsOf, homeOf, keyOf } from '../records.ts'
import { isHome, policiesOf, rulesOf } from './policies.ts'
import { groupRoles, roleOf } from './roles.ts'
import type { Identity } from '../../model/workload.ts'
import type { ClusterName, ManifestWorkload } from '../../policy/index.ts'
import type { Inventory } from '../inventory.ts'
import type { Party } from '../parties.ts'
import type { PortRange } from '../ports.ts'
import type { Observation, ObservedEnd } from '../records.ts'
import type { Evidence, SuggestDirection, SuggestedManifest, SuggestedPolicy } from './policies.ts'
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

export interface Suggestion {
  readonly policies: readonly SuggestedManifest[]
  readonly evidence: readonly Evidence[]
  /** Pairs of known parties that the policies allow and no record shows. */
  readonly alsoAllowed: readonly AlsoAllowed[]
  /** Recorded flows that the policies do not allow, because nothing a policy can say tells their ends apart. */
  readonly notAllowed: readonly string[]
  /** What a reader has to know before these are applied. */
  readonly notes: readonly string[]
}

export interface AlsoAllowed {
  readonly source: string
  readonly destination: string
  readonly ports: readonly PortRange[]
}

/** `manifests` hold further workloads, whom no selector may hit, and the facts that records do not hold. */
export function suggest (observations: readonly Observation[], manifests: Inventory, { home, includeDenied = false, directions = ['ingress', 'egress'], allowDns = false }: SuggestOptions = {}): Suggestion {
  const wanted = observations.filter(({ counts }) => includeDenied || counts.allowed > 0)
  const own = home ?? homeOf(wanted) ?? manifests.context.home
  const known = rehomed(manifests, own)
  const groups = groupRoles(wanted, silentRoles(known, observedWorkloads(endsOf(wanted), known.workloads)))
  const suggested = suggestedFor(groups, wanted, { home: own, directions, allowDns })
  const policies = suggested.map(({ manifest }) => manifest)
  return { policies, evidence: suggested.flatMap(({ evidence }) => evidence), ...check(wanted, policies, known, directions), notes: notesOf(wanted, directions, allowDns) }
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
  const value = Object.values(selector.matchLabels ?? {})[0] ?? selector.matchExpressions?.find(({ values }) => values !== undefined)?.values?.join('-') ?? serviceAccounts?.[0] ?? 'pods'
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
  return workloads.filter(workload => !took.has(workload) && !workload.endpoint.hostNetwork).map(({ endpoint: { identity: { spiffeId: { serviceAccount }, attributes: { namespace, labels } } } }, i) => {
    return { key: `manifest ${i}`, cluster: home, namespace, serviceAccount, labels }
  })
}

function check (wanted: readonly Observation[], policies: readonly object[], known: Inventory, directions: readonly SuggestDirection[]): Pick<Suggestion, 'alsoAllowed' | 'notAllowed'> {
  const { home } = known.context
  const inventory = { ...takeInventory(policies, { ...known.context, homeOnly: true }), workloads: known.workloads, namespaces: known.namespaces }
  const notAllowed = wanted.filter(({ source, destination, port }) => {
    return !judgeFlow(inventory.set, { source: endpointOf(source, inventory), destination: endpointOf(destination, inventory), protocol: 'TCP', port }, known.context.nowMs).allowed
  })
  return {
    notAllowed: notAllowed.map(({ source, destination, port }) => `${describeEnd(source, home)} to ${describeEnd(destination, home)} TCP ${port}`),
    alsoAllowed: alsoAllowed(wanted, inventory, directions),
  }
}

/** One party for each role that took part, the workloads of the manifests, and the outside. */
function alsoAllowed (wanted: readonly Observation[], inventory: Inventory, directions: readonly SuggestDirection[]): AlsoAllowed[] {
  const roles = new Map(endsOf(wanted).filter(end => end.kind === 'workload').map(end => [keyOf(end), end]))
  const took = [...roles.values()].map((end): Party => ({ name: describeEnd(end, inventory.context.home), namespace: end.spiffeId.namespace, endpoint: endpointOf(end, inventory), ports: [], several: true }))
  const observed = observedWorkloads(endsOf(wanted), inventory.workloads)
  const silent = workloadParties(inventory.workloads.filter(workload => !observed.has(workload)))
  const parties = [...took, ...silent, ...outsideParties(outsideOf(inventory.policies))]
  const reachability = new Reachability(inventory.set, parties, inventory.context)
  const recorded = new Set(wanted.map(({ source, destination, port }) => `${keyOf(source)} > ${keyOf(destination)} ${port}`))
  const keys = [...roles.keys()]
  const keyAt = (i: number): string => keys[i] ?? addressOf(parties[i])
  const ranges = rangesOf(portCuts(inventory.policies))
  return parties.flatMap((destination, to) => {
    const columns = ranges.map(range => ({ range, sources: reachability.sources(to, range.protocol, range.low) }))
    return parties.flatMap((source, from): AlsoAllowed[] => {
      if (!(directions.includes('egress') && isGoverned(source, inventory)) && !(directions.includes('ingress') && isGoverned(destination, inventory))) return []
      const extra = columns.filter(({ range, sources }) => hasBit(sources, from) && !(range.protocol === 'TCP' && range.low === range.high && recorded.has(`${keyAt(from)} > ${keyAt(to)} ${range.low}`)))
      return extra.length === 0 ? [] : [{ source: source.name, destination: destination.name, ports: mergeRanges(extra.map(({ range }) => range)) }]
    })
  })
}

function addressOf (party: Party | undefined): string {
  return party?.endpoint.kind === 'external' ? party.endpoint.ip?.text ?? '' : ''
}

/** Whether some suggested policy is about the party; the others are as they were. */
function isGoverned ({ endpoint }: Party, { set, context: { home } }: Inventory): boolean {
  return endpoint.kind === 'workload' && !endpoint.hostNetwork && isHome(roleCluster(endpoint.identity), home) && set.selecting(endpoint.identity).length > 0
}

function roleCluster ({ spiffeId: { trustDomain }, attributes: { cluster } }: Identity): ClusterName {
  return { trustDomain, cluster }
}

function notesOf (wanted: readonly Observation[], directions: readonly SuggestDirection[], allowDns: boolean): string[] {
  const notes: string[] = []
  if (wanted.length === 0) notes.push('no recorded flow was allowed, so there is nothing to suggest')
  if (directions.includes('egress') && !allowDns && wanted.length > 0) notes.push('records hold TCP only: where a CNI enforces these policies too, egress closes UDP, and with it DNS; --allow-dns adds a rule for it')
  if (wanted.some(({ counts }) => counts.allowed === 0)) notes.push('some of these flows were denied or never decided when they were recorded')
  return notes
}
