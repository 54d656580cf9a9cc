/**
 * From groups and what they did to policies: one for each group, with one rule for all peers of the same ports.
 *
 * What NetworkPolicy can say is said by one; peers of other clusters and those whom only a service account tells apart
 * need an AccessPolicy beside it.
 */

import { namespaceNameLabel } from '../../model/labels.ts'
import { formatRanges } from '../ports.ts'
import { describeEnd, keyOf } from '../records.ts'
import type { ClusterName } from '../../policy/index.ts'
import type { Observation, ObservedEnd } from '../records.ts'
import type { RoleGroup } from './roles.ts'

export type SuggestDirection = 'ingress' | 'egress'

/** What stands behind one rule. */
export interface Evidence {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** `ingress[0]` */
  readonly rule: string
  /** What it allows, in words. */
  readonly allows: string
  readonly connections: number
  readonly first: string
  readonly last: string
  readonly examples: readonly string[]
}

export interface SuggestedPolicy {
  readonly manifest: SuggestedManifest
  readonly evidence: readonly Evidence[]
}

export interface SuggestedManifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string }
  readonly spec: Readonly<Record<string, unknown>>
}

export interface PolicyOptions {
  readonly home: ClusterName
  /** Directions in which the groups are isolated. */
  readonly directions: readonly SuggestDirection[]
  /** Adds a rule for DNS to all egress. */
  readonly allowDns: boolean
}

/** The other end of a contact: a group, or an address. */
interface Peer {
  readonly key: string
  readonly group: RoleGroup | undefined
  readonly end: ObservedEnd
}

interface Rule {
  readonly peers: readonly Peer[]
  readonly ports: readonly number[]
  readonly behind: readonly Observation[]
}

/** Peers and items of one AccessPolicy rule; see its schema. */
const mostAccessPeers = 50
const directionFields = { ingress: { peers: 'from', type: 'Ingress' }, egress: { peers: 'to', type: 'Egress' } } as const
const dnsPeer = { namespaceSelector: { matchLabels: { [namespaceNameLabel]: 'kube-system' } }, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }
const dnsPorts = [{ protocol: 'UDP', port: 53 }, { protocol: 'TCP', port: 53 }]

/** The policies of one group of the own cluster. */
export function policiesOf (group: RoleGroup, name: string, contacts: Readonly<Record<SuggestDirection, readonly Rule[]>>, options: PolicyOptions): SuggestedPolicy[] {
  const byKind = (standard: boolean): Record<SuggestDirection, Rule[]> => {
    return { ingress: split(contacts.ingress, standard, group, options), egress: split(contacts.egress, standard, group, options) }
  }
  const [standard, access] = [byKind(true), byKind(false)]
  const policies: SuggestedPolicy[] = []
  if (group.serviceAccounts === undefined) policies.push(networkPolicy(group, name, standard, options))
  if (group.serviceAccounts !== undefined || access.ingress.length + access.egress.length > 0) policies.push(accessPolicy(group, name, access, options))
  return policies
}

/** Those peers of each rule that a NetworkPolicy can name, or those that it cannot. */
function split (rules: readonly Rule[], standard: boolean, group: RoleGroup, { home }: PolicyOptions): Rule[] {
  const isStandard = ({ group: peer }: Peer): boolean => group.serviceAccounts === undefined && (peer === undefined || (isHome(peer.cluster, home) && peer.serviceAccounts === undefined))
  return rules.map(rule => ({ ...rule, peers: rule.peers.filter(peer => isStandard(peer) === standard) })).filter(({ peers }) => peers.length > 0)
}

/** Rules for the contacts of a group in one direction: peers with the same ports stand in one. */
export function rulesOf (contacts: readonly { readonly peer: Peer, readonly observation: Observation }[]): Rule[] {
  const byPeer = [...Map.groupBy(contacts, ({ peer }) => peer.key).values()].flatMap(same => {
    const [first] = same
    if (first === undefined) return []
    const ports = [...new Set(same.map(({ observation }) => observation.port))].sort((a, b) => a - b)
    return [{ peer: first.peer, ports, behind: same.map(({ observation }) => observation) }]
  })
  return [...Map.groupBy(byPeer, ({ ports }) => ports.join(',')).values()].map(alike => ({
    peers: alike.map(({ peer }) => peer).sort((a, b) => a.key < b.key ? -1 : 1), ports: alike[0]?.ports ?? [], behind: alike.flatMap(({ behind }) => behind),
  })).sort((a, b) => (a.ports[0] ?? 0) - (b.ports[0] ?? 0))
}

function networkPolicy (group: RoleGroup, name: string, rules: Readonly<Record<SuggestDirection, readonly Rule[]>>, options: PolicyOptions): SuggestedPolicy {
  const { namespace } = group
  const ref = { kind: 'NetworkPolicy', namespace, name }
  const written = options.directions.map(direction => {
    const { peers } = directionFields[direction]
    const own = rules[direction].map(rule => ({ [peers]: rule.peers.map(peer => networkPeer(peer, namespace)), ports: portsOf(rule) }))
    return [direction, [...own, ...(direction === 'egress' && options.allowDns ? [{ to: [dnsPeer], ports: dnsPorts }] : [])]] as const
  })
  return {
    manifest: {
      apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace },
      spec: {
        podSelector: group.selector,
        policyTypes: options.directions.map(direction => directionFields[direction].type),
        ...Object.fromEntries(written.filter(([, list]) => list.length > 0)),
      },
    },
    evidence: options.directions.flatMap(direction => rules[direction].map((rule, i) => evidenceOf(rule, { ...ref, rule: `${direction}[${i}]` }, direction, options.home))),
  }
}

function networkPeer ({ group, end }: Peer, namespace: string): object {
  if (group === undefined) return { ipBlock: { cidr: cidrOf(end) } }
  const elsewhere = group.namespace === namespace ? {} : { namespaceSelector: { matchLabels: { [namespaceNameLabel]: group.namespace } } }
  return { ...elsewhere, podSelector: group.selector }
}

function accessPolicy (group: RoleGroup, name: string, rules: Readonly<Record<SuggestDirection, readonly Rule[]>>, options: PolicyOptions): SuggestedPolicy {
  const ref = { kind: 'AccessPolicy', namespace: '', name: `${name}.${group.namespace}` }
  const bounded = { ingress: rules.ingress.flatMap(chunked), egress: rules.egress.flatMap(chunked) }
  const alone = group.serviceAccounts !== undefined
  const written = options.directions.map(direction => {
    const own = bounded[direction].map(rule => ({ action: 'allow', [directionFields[direction].peers]: rule.peers.map(peer => accessPeer(peer, options.home)), ports: portsOf(rule) }))
    return [direction, [...own, ...(alone && direction === 'egress' && options.allowDns ? [{ action: 'allow', to: [dnsPeer], ports: dnsPorts }] : [])]] as const
  })
  return {
    manifest: {
      apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: ref.name },
      spec: {
        subject: { namespaces: [group.namespace], podSelector: group.selector, ...(group.serviceAccounts === undefined ? {} : { serviceAccounts: group.serviceAccounts }) },
        ...(alone ? { isolates: options.directions } : {}),
        ...Object.fromEntries(written.filter(([, list]) => list.length > 0)),
      },
    },
    evidence: options.directions.flatMap(direction => bounded[direction].map((rule, i) => evidenceOf(rule, { ...ref, rule: `${direction}[${i}]` }, direction, options.home))),
  }
}

function accessPeer ({ group, end }: Peer, home: ClusterName): object {
  if (group === undefined) return { ipBlock: { cidr: cidrOf(end) } }
  const { cluster, namespace, selector, serviceAccounts } = group
  return {
    ...(isHome(cluster, home) ? {} : { clusters: [cluster.cluster], ...(cluster.trustDomain === home.trustDomain ? {} : { trustDomains: [cluster.trustDomain] }) }),
    namespaces: [namespace], podSelector: selector, ...(serviceAccounts === undefined ? {} : { serviceAccounts }),
  }
}

function chunked (rule: Rule): Rule[] {
  const chunks = Math.ceil(rule.peers.length / mostAccessPeers)
  return Array.from({ length: chunks }, (_, i) => ({ ...rule, peers: rule.peers.slice(i * mostAccessPeers, (i + 1) * mostAccessPeers) }))
}

function portsOf ({ ports }: Rule): object[] {
  return ports.map(port => ({ protocol: 'TCP', port }))
}

function cidrOf (end: ObservedEnd): string {
  return end.kind === 'external' ? `${end.ip.text}/${end.ip.family === 4 ? 32 : 128}` : ''
}

export function isHome (cluster: ClusterName, home: ClusterName): boolean {
  return cluster.trustDomain === home.trustDomain && cluster.cluster === home.cluster
}

/** Only what is behind the peers that this rule names. */
function evidenceOf ({ peers, ports, behind }: Rule, where: Pick<Evidence, 'kind' | 'namespace' | 'name' | 'rule'>, direction: SuggestDirection, home: ClusterName): Evidence {
  const keys = new Set(peers.flatMap(({ group, end }) => group === undefined ? [keyOf(end)] : group.roles.map(({ key }) => key)))
  const peerOf = ({ source, destination }: Observation): ObservedEnd => direction === 'ingress' ? source : destination
  const own = behind.filter(observation => keys.has(keyOf(peerOf(observation))))
  const names = [...new Set(own.map(observation => describeEnd(peerOf(observation), home)))].sort()
  const times = own.flatMap(({ first, last }) => [first, last]).sort()
  return {
    ...where,
    allows: `${direction === 'ingress' ? 'from' : 'to'} ${names.join(', ')} on ${formatRanges(ports.map(port => ({ protocol: 'TCP', low: port, high: port })))}`,
    connections: own.reduce((sum, { counts }) => sum + counts.allowed + counts.denied + counts.undecided, 0),
    first: times[0] ?? '', last: times.at(-1) ?? '',
    examples: own.flatMap(({ examples }) => examples).slice(0, 3),
  }
}
