/** Matching peers by address, node and domain name: what an unverified peer can be matched by. Threat model: `match.ts`. */

import { cidrContains } from '../model/cidr.ts'
import { selects } from './selector.ts'
import type { Asked } from './match.ts'
import type { AddressMatcher, DomainMatcher, NodeMatcher } from './normal-form.ts'
import type { Question } from './question.ts'
import type { Trace } from './trace.ts'

/** Whether the address that is known to be the peer's own lies in the block. */
export function matchesAddress ({ cidr, except }: AddressMatcher, { address, local, question }: Asked, trace?: Trace): boolean {
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
  if (local) return `which address is the verified peer's own is not known, so ${cidr} cannot match it`
  return `the peer is proven to be of cluster ${cluster} in ${trustDomain}, so no CIDR matches it`
}

/** Whether the unverified peer is known to be a node with such labels. */
export function matchesNode ({ labels }: NodeMatcher, { question, proven }: Asked, trace?: Trace): boolean {
  const nodeLabels = proven === undefined ? question.facts?.nodeLabels : undefined
  if (nodeLabels === undefined) return trace?.no('the peer is not known to be a node') ?? false
  return selects(labels, nodeLabels, 'node label', trace)
}

/** Whether the unverified peer's address is known to have such a name. */
export function matchesDomain ({ pattern }: DomainMatcher, { question, proven }: Asked, trace?: Trace): boolean {
  const domains = proven === undefined ? question.facts?.domains ?? [] : []
  if (domains.some(domain => domainMatches(pattern, domain))) return true
  return trace?.no(domains.length === 0 ? `no domain name is known for the peer, ${pattern} is wanted` : `${domains.join(', ')} is not ${pattern}`) ?? false
}

/** `*.example.com` matches every name below `example.com`, not itself. */
export function domainMatches (pattern: string, domain: string): boolean {
  return pattern.startsWith('*.') ? domain.length > pattern.length - 1 && domain.endsWith(pattern.slice(1)) : pattern === domain
}
