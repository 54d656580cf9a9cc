/**
 * Does an entry match a connection? The whole threat model of matching is here.
 *
 * - Labels, namespaces, service accounts and images are matched only on what the peer's issuer signed, so only for a
 *   verified peer. An unverified peer matches no `workload` matcher, not even one without conditions.
 * - Another cluster's or trust domain's issuer may sign any label it likes. So `reach: 'same'` also asks that the peer
 *   is of the subject's own cluster and trust domain, or of a cluster with configured sameness.
 * - An address says who somebody is only where nothing rewrites it. The wire address of a verified peer may be a NAT
 *   gateway or, with overlapping pod CIDRs, somebody else's: it matches no CIDR, in allow entries (a wrong allow is a
 *   breach) and in deny entries alike. A deny by wire address would look safer, but would make the verdict on a proven
 *   pod depend on the path it took, and would deny unrelated pods whose CIDR happens to overlap. Deny a proven peer by
 *   what it proved. A verified peer matches by `facts.podIp` where the agent knows it, and only in the same cluster.
 * - An unverified peer is only its address: CIDRs, node labels and names that are known for that address.
 */

import { cidrContains } from '../model/cidr.ts'
import { formatSpiffeId } from '../model/spiffe-id.ts'
import { isActive } from './active-time.ts'
import { selects } from './selector.ts'
import type { IpAddress } from '../model/address.ts'
import type { Identity } from '../model/workload.ts'
import type { AddressMatcher, DomainMatcher, NodeMatcher, PeerMatcher, PolicyEntry, PortMatcher, SpiffePattern, SubjectMatcher, WorkloadMatcher } from './normal-form.ts'
import type { Question } from './question.ts'
import type { Trace } from './trace.ts'

/** A cluster of a trust domain: cluster names mean something only within their trust domain. */
export interface ClusterName {
  readonly trustDomain: string
  readonly cluster: string
}

/** A question, with what every matcher would otherwise compute again. */
export interface Asked {
  readonly question: Question
  /** The peer's proven identity, if any. */
  readonly proven: Identity | undefined
  /** The peer is of the subject's own cluster and trust domain. */
  readonly local: boolean
  /** As `local`, or of a cluster with sameness. */
  readonly same: boolean
  /** The address that CIDRs may be compared with. */
  readonly address: IpAddress | undefined
}

export function ask (question: Question, sameness: readonly ClusterName[]): Asked {
  const { peer, subject, facts } = question
  if (peer.kind === 'unverified') return { question, proven: undefined, local: false, same: false, address: facts?.addressUnknown === true ? undefined : peer.ip }
  const proven = peer.identity
  const { trustDomain } = proven.spiffeId
  const { cluster } = proven.attributes
  const local = trustDomain === subject.spiffeId.trustDomain && cluster === subject.attributes.cluster
  const same = local || sameness.some(one => one.trustDomain === trustDomain && one.cluster === cluster)
  return { question, proven, local, same, address: local ? facts?.podIp : undefined }
}

/** How far an entry came; used to tell which of those that do not match is the nearest. */
export type Stage = 'time' | 'ports' | 'peers' | 'matched'

/** Asks time, ports and peers in this order and tells where it ended. */
export function stageOf (entry: PolicyEntry, asked: Asked, trace?: Trace): Stage {
  if (entry.active !== undefined && !isActive(entry.active, asked.question.nowMs)) {
    trace?.no('it is not active at this time')
    return 'time'
  }
  if (entry.ports !== 'every' && !anyPort(entry.ports, asked.question, trace)) return 'ports'
  if (entry.peers !== 'everyone' && !anyPeer(entry.peers, asked, trace)) return 'peers'
  return 'matched'
}

export function matchesSubject (matcher: SubjectMatcher, { attributes, spiffeId }: Identity, trace?: Trace): boolean {
  const { namespaces, namespaceLabels, labels, serviceAccounts, images } = matcher
  if (namespaces !== undefined && !namespaces.includes(attributes.namespace)) return trace?.no(`namespace ${attributes.namespace} is not in (${namespaces.join(',')})`) ?? false
  if (labels !== undefined && !selects(labels, attributes.labels, 'label', trace)) return false
  if (namespaceLabels !== undefined && !selects(namespaceLabels, attributes.namespaceLabels, 'namespace label', trace)) return false
  if (serviceAccounts !== undefined && !serviceAccounts.includes(spiffeId.serviceAccount)) return trace?.no(`service account ${spiffeId.serviceAccount} is not in (${serviceAccounts.join(',')})`) ?? false
  if (images !== undefined && !images.some(image => attributes.images.includes(image))) return trace?.no('none of its images is listed') ?? false
  return true
}

export function matchesPeer (matcher: PeerMatcher, asked: Asked, trace?: Trace): boolean {
  switch (matcher.kind) {
    case 'workload': return matchesWorkload(matcher, asked, trace)
    case 'address': return matchesAddress(matcher, asked, trace)
    case 'node': return matchesNode(matcher, asked, trace)
    case 'domain': return matchesDomain(matcher, asked, trace)
  }
}

function anyPeer (peers: readonly PeerMatcher[], asked: Asked, trace?: Trace): boolean {
  for (const peer of peers) {
    if (matchesPeer(peer, asked, trace)) return true
  }
  return peers.length === 0 ? trace?.no('it matches nobody') ?? false : false
}

function matchesWorkload (matcher: WorkloadMatcher, { proven, same, question }: Asked, trace?: Trace): boolean {
  if (proven === undefined) return trace?.no(`the peer is not verified (${question.peer.kind === 'unverified' ? question.peer.reason : ''}), so no label matches it`) ?? false
  const { trustDomain } = proven.spiffeId
  const { cluster } = proven.attributes
  if (matcher.reach === 'same' && !same) return trace?.no(`the peer is of cluster ${cluster} in ${trustDomain}, for which no sameness is configured`) ?? false
  if (matcher.trustDomains !== undefined && !matcher.trustDomains.includes(trustDomain)) return trace?.no(`trust domain ${trustDomain} is not in (${matcher.trustDomains.join(',')})`) ?? false
  if (matcher.clusters !== undefined && !namesCluster(matcher, cluster, trustDomain, question)) return trace?.no(`cluster ${cluster} in ${trustDomain} is not in (${matcher.clusters.join(',')})`) ?? false
  if (matcher.spiffeIds !== undefined && !matcher.spiffeIds.some(pattern => matchesSpiffe(pattern, proven))) return trace?.no(`${formatSpiffeId(proven.spiffeId)} matches none of (${matcher.spiffeIds.map(({ text }) => text).join(',')})`) ?? false
  return matchesSubject(matcher, proven, trace)
}

/** A cluster's name without a trust domain beside it means the subject's own trust domain: anyone else could take that name. */
function namesCluster ({ clusters, trustDomains, spiffeIds }: WorkloadMatcher, cluster: string, trustDomain: string, { subject }: Question): boolean {
  const trusted = trustDomains !== undefined || spiffeIds !== undefined || trustDomain === subject.spiffeId.trustDomain
  return trusted && clusters?.includes(cluster) === true
}

function matchesSpiffe (pattern: SpiffePattern, { spiffeId }: Identity): boolean {
  return pattern.trustDomain === spiffeId.trustDomain &&
    globMatches(pattern.namespace, spiffeId.namespace) && globMatches(pattern.serviceAccount, spiffeId.serviceAccount)
}

/** `*` stands for any run of characters. Linear: each literal part is taken at its first place, the last at the end. */
export function globMatches (pattern: string, text: string): boolean {
  const parts = pattern.split('*')
  const first = parts[0] ?? ''
  if (parts.length === 1) return pattern === text
  const last = parts.at(-1) ?? ''
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= text.length - last.length
}

function matchesAddress ({ cidr, except }: AddressMatcher, { address, local, question }: Asked, trace?: Trace): boolean {
  if (address === undefined) return trace?.no(whyNoAddress(question, local, cidr.text)) ?? false
  if (!cidrContains(cidr, address)) return trace?.no(`${address.text} is not in ${cidr.text}`) ?? false
  for (const hole of except) {
    if (cidrContains(hole, address)) return trace?.no(`${address.text} is in the exception ${hole.text}`) ?? false
  }
  return true
}

function whyNoAddress ({ peer }: Question, local: boolean, cidr: string): string {
  if (peer.kind === 'unverified') return `the address of the peer is not known, so ${cidr} cannot match it`
  const { spiffeId: { trustDomain }, attributes: { cluster } } = peer.identity
  return local ? `which address is the verified peer's own is not known, so ${cidr} cannot match it` : `the peer is proven to be of cluster ${cluster} in ${trustDomain}, so no CIDR matches it`
}

function matchesNode ({ labels }: NodeMatcher, { question, proven }: Asked, trace?: Trace): boolean {
  const nodeLabels = proven === undefined ? question.facts?.nodeLabels : undefined
  if (nodeLabels === undefined) return trace?.no('the peer is not known to be a node') ?? false
  return selects(labels, nodeLabels, 'node label', trace)
}

function matchesDomain ({ pattern }: DomainMatcher, { question, proven }: Asked, trace?: Trace): boolean {
  const domains = proven === undefined ? question.facts?.domains ?? [] : []
  if (domains.some(domain => domainMatches(pattern, domain))) return true
  return trace?.no(domains.length === 0 ? `no domain name is known for the peer, ${pattern} is wanted` : `${domains.join(', ')} is not ${pattern}`) ?? false
}

/** `*.example.com` matches every name below `example.com`, not itself. */
export function domainMatches (pattern: string, domain: string): boolean {
  return pattern.startsWith('*.') ? domain.length > pattern.length - 1 && domain.endsWith(pattern.slice(1)) : pattern === domain
}

function anyPort (ports: readonly PortMatcher[], question: Question, trace?: Trace): boolean {
  for (const port of ports) {
    if (matchesPort(port, question)) return true
  }
  return trace?.no(`${question.protocol} port ${question.port} is not ${ports.map(formatPort).join(', ') || 'any of none'}`) ?? false
}

function matchesPort (port: PortMatcher, { protocol, port: asked, destinationPorts }: Question): boolean {
  if (port.protocol !== 'any' && port.protocol !== protocol) return false
  if (port.kind === 'range') return asked >= port.low && asked <= port.high
  return destinationPorts.some(named => named.name === port.name && named.protocol === protocol && named.port === asked)
}

/** `TCP 80`, `UDP 1000-2000`, `TCP http`, `UDP` (all of it). */
export function formatPort (port: PortMatcher): string {
  if (port.kind === 'named') return port.protocol === 'any' ? port.name : `${port.protocol} ${port.name}`
  if (port.low === 0 && port.high === 65535) return port.protocol
  return port.low === port.high ? `${port.protocol} ${port.low}` : `${port.protocol} ${port.low}-${port.high}`
}
