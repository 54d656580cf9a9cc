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

import { isActive } from './active-time.ts'
import { matchesAddress, matchesDomain, matchesNode } from './match-address.ts'
import { matchesWorkload } from './match-workload.ts'
import type { IpAddress } from '../model/address.ts'
import type { Identity } from '../model/workload.ts'
import type { PeerMatcher, PolicyEntry, PortMatcher } from './normal-form.ts'
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
  if (peer.kind === 'unverified') {
    return { question, proven: undefined, local: false, same: false, address: facts?.addressUnknown === true ? undefined : peer.ip }
  }
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

/** Whether the peer is one whom the entry is about, whatever time and port. */
export function entryMatchesPeer ({ peers }: PolicyEntry, asked: Asked): boolean {
  return peers === 'everyone' || peers.some(peer => matchesPeer(peer, asked))
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
