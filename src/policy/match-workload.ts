/** Matching workloads on what their issuer signed (peers) or the agent knows (the local subject). Threat model: `match.ts`. */

import { formatSpiffeId } from '../model/spiffe-id.ts'
import { selects } from './selector.ts'
import type { Identity } from '../model/workload.ts'
import type { Asked } from './match.ts'
import type { SpiffePattern, SubjectMatcher, WorkloadMatcher } from './normal-form.ts'
import type { Question } from './question.ts'
import type { Trace } from './trace.ts'

/** Whether the workload meets every condition. */
export function matchesSubject (matcher: SubjectMatcher, { attributes, spiffeId }: Identity, trace?: Trace): boolean {
  const { namespaceLabels, labels, images } = matcher
  if (!isListed(matcher.namespaces, attributes.namespace, 'namespace', trace)) return false
  if (labels !== undefined && !selects(labels, attributes.labels, 'label', trace)) return false
  if (namespaceLabels !== undefined && !selects(namespaceLabels, attributes.namespaceLabels, 'namespace label', trace)) return false
  if (!isListed(matcher.serviceAccounts, spiffeId.serviceAccount, 'service account', trace)) return false
  return images === undefined || images.some(image => attributes.images.includes(image)) || (trace?.no('none of its images is listed') ?? false)
}

/** Whether the peer is proven, of a cluster that `matcher` reaches, and meets every condition. */
export function matchesWorkload (matcher: WorkloadMatcher, asked: Asked, trace?: Trace): boolean {
  const { proven, question: { peer } } = asked
  if (proven === undefined) {
    return trace?.no(`the peer is not verified (${peer.kind === 'unverified' ? peer.reason : ''}), so no label matches it`) ?? false
  }
  return reaches(matcher, proven, asked, trace) && matchesSpiffe(matcher.spiffeIds, proven, trace) && matchesSubject(matcher, proven, trace)
}

function reaches (matcher: WorkloadMatcher, proven: Identity, { same, question }: Asked, trace?: Trace): boolean {
  const { spiffeId: { trustDomain }, attributes: { cluster } } = proven
  if (matcher.reach === 'same' && !same) {
    return trace?.no(`the peer is of cluster ${cluster} in ${trustDomain}, for which no sameness is configured`) ?? false
  }
  if (!isListed(matcher.trustDomains, trustDomain, 'trust domain', trace)) return false
  if (matcher.clusters === undefined || namesCluster(matcher, cluster, trustDomain, question)) return true
  return trace?.no(`cluster ${cluster} in ${trustDomain} is not in (${matcher.clusters.join(',')})`) ?? false
}

function isListed (list: readonly string[] | undefined, value: string, what: string, trace?: Trace): boolean {
  return list === undefined || list.includes(value) || (trace?.no(`${what} ${value} is not in (${list.join(',')})`) ?? false)
}

/** A cluster's name without a trust domain beside it means the subject's own trust domain: anyone else could take that name. */
function namesCluster ({ clusters, trustDomains, spiffeIds }: WorkloadMatcher, cluster: string, trustDomain: string, { subject }: Question): boolean {
  const trusted = trustDomains !== undefined || spiffeIds !== undefined || trustDomain === subject.spiffeId.trustDomain
  return trusted && clusters?.includes(cluster) === true
}

function matchesSpiffe (patterns: readonly SpiffePattern[] | undefined, { spiffeId }: Identity, trace?: Trace): boolean {
  if (patterns === undefined) return true
  const { trustDomain, namespace, serviceAccount } = spiffeId
  const some = patterns.some(pattern =>
    pattern.trustDomain === trustDomain && globMatches(pattern.namespace, namespace) && globMatches(pattern.serviceAccount, serviceAccount))
  return some || (trace?.no(`${formatSpiffeId(spiffeId)} matches none of (${patterns.map(({ text }) => text).join(',')})`) ?? false)
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
