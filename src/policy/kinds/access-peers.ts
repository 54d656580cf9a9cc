/** The peers of an AccessPolicy rule: proven workloads by what they proved, or the outside by address or name. */

import { isTrustDomain } from '../../model/spiffe-id.ts'
import { whyNotNamespace, whyNotSubdomain } from '../names.ts'
import { readSelector } from '../selector.ts'
import { readDomains, readIpBlock } from './addresses.ts'
import type { PeerMatcher, PolicyDirection, PolicyEntry, SpiffePattern, WorkloadMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

/** Peers of a rule, and items of each list in a peer. */
const maxPeers = 50
const maxItems = 100
const workloadFields = ['podSelector', 'namespaceSelector', 'namespaces', 'serviceAccounts', 'spiffeIds', 'clusters', 'trustDomains', 'images']

/** Absent means everyone, also the unverified; an empty list is refused, because it is not clear what it means. */
export function readPeers (place: Place, direction: PolicyDirection, action: PolicyEntry['action']): PolicyEntry['peers'] {
  if (!place.present) return 'everyone'
  return place.items({ least: 1, most: maxPeers }).flatMap(item => readPeer(item, direction, action))
}

function readPeer (place: Place, direction: PolicyDirection, action: PolicyEntry['action']): PeerMatcher[] {
  if (!place.record([...workloadFields, 'ipBlock', 'fqdns'])) return []
  const [ipBlock, fqdns] = [place.at('ipBlock'), place.at('fqdns')]
  const keys = place.keys()
  if (keys.length === 0) { place.refuse('at least one field is needed; podSelector: {} is every workload of the cluster'); return [] }
  if (!ipBlock.present && !fqdns.present) return [readWorkload(place)]
  if (keys.length > 1) { place.refuse('ipBlock and fqdns stand alone in a peer'); return [] }
  if (ipBlock.present) return [readIpBlock(ipBlock)].filter(peer => peer !== undefined)
  // Which names an address has is known only sometimes: a deny that depends on it would be open at other times.
  if (direction === 'ingress' || action !== 'allow') fqdns.refuse('only in egress rules that allow')
  return readDomains(fqdns, maxItems)
}

/** Who names no cluster, trust domain or SPIFFE ID means the own cluster. */
function readWorkload (place: Place): WorkloadMatcher {
  const elsewhere = ['clusters', 'trustDomains', 'spiffeIds'].some(key => place.at(key).present)
  const texts = (key: string, whyNot: (text: string) => string | undefined): string[] => place.at(key).set(whyNot, { least: 1, most: maxItems })
  return {
    kind: 'workload',
    reach: elsewhere ? 'named' : 'same',
    ...(place.at('podSelector').present ? { labels: readSelector(place.at('podSelector'), { prefixes: true }) } : {}),
    ...(place.at('namespaceSelector').present ? { namespaceLabels: readSelector(place.at('namespaceSelector'), { prefixes: true }) } : {}),
    ...(place.at('namespaces').present ? { namespaces: texts('namespaces', whyNotNamespace) } : {}),
    ...(place.at('serviceAccounts').present ? { serviceAccounts: texts('serviceAccounts', whyNotSubdomain) } : {}),
    ...(place.at('spiffeIds').present ? { spiffeIds: texts('spiffeIds', whyNotSpiffe).map(parsePattern).filter(pattern => pattern !== undefined) } : {}),
    ...(place.at('clusters').present ? { clusters: texts('clusters', whyNotSubdomain) } : {}),
    ...(place.at('trustDomains').present ? { trustDomains: texts('trustDomains', whyNotTrustDomain) } : {}),
    ...(place.at('images').present ? { images: texts('images', whyNotImage) } : {}),
  }
}

function whyNotTrustDomain (text: string): string | undefined {
  return isTrustDomain(text) ? undefined : 'a trust domain is 1 to 255 lower case letters, digits, ".", "-" or "_"'
}

/** Digests, not names: a name says nothing about what runs. */
export function whyNotImage (text: string): string | undefined {
  return /^sha256:[0-9a-f]{64}$/.test(text) ? undefined : 'an image digest is expected: sha256: and 64 hex digits'
}

function whyNotSpiffe (text: string): string | undefined {
  return parsePattern(text) === undefined ? 'spiffe://<trust domain>/ns/<namespace>/sa/<service account> is expected; "*" may stand in the last two' : undefined
}

/** The trust domain takes no pattern: it is who is believed. */
function parsePattern (text: string): SpiffePattern | undefined {
  const match = /^spiffe:\/\/([^/]+)\/ns\/([A-Za-z0-9._*-]{1,253})\/sa\/([A-Za-z0-9._*-]{1,253})$/.exec(text)
  const [, trustDomain = '', namespace = '', serviceAccount = ''] = match ?? []
  return isTrustDomain(trustDomain) ? { text, trustDomain, namespace, serviceAccount } : undefined
}
