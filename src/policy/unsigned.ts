/**
 * Selectors of peers that use a label which issuers do not sign: no peer ever shows it, so whether it holds is unknown.
 *
 * Unknown fails closed: an allow entry with it matches nobody, a deny entry matches as if the requirement held, and
 * a pass entry, or one that requires a mode, becomes such a deny. (Without this, `NotIn` and `DoesNotExist` would match everybody.) It is told as a
 * finding in any case. Subjects are matched on all labels of the local pod, so they are not touched.
 */

import type { Finding } from './parse.ts'
import type { PeerMatcher, Policy, PolicyEntry } from './normal-form.ts'
import type { Selector } from './selector.ts'

/** `policy` with such requirements made explicit; adds to `findings`. */
export function withoutUnsigned (policy: Policy, unsigned: readonly string[], findings: Finding[]): Policy {
  if (unsigned.length === 0 || !policy.entries.some(entry => keysOf(entry, unsigned).length > 0)) return policy
  return { ...policy, entries: policy.entries.map(entry => closeEntry(entry, unsigned, findings)) }
}

function closeEntry (entry: PolicyEntry, unsigned: readonly string[], findings: Finding[]): PolicyEntry {
  const keys = keysOf(entry, unsigned)
  if (entry.peers === 'everyone' || keys.length === 0) return entry
  const allow = entry.action === 'allow' && entry.mode === undefined
  for (const key of keys) {
    const so = allow ? 'it can never match' : 'it denies as if that label matched'
    findings.push({ ...entry.policy, path: entry.rule, reason: `selects peers by the label ${key}, which is not signed: ${so}` })
  }
  const peers = entry.peers.map(peer => closePeer(peer, unsigned, allow))
  return { ...entry, action: allow ? 'allow' : 'deny', peers }
}

function closePeer (peer: PeerMatcher, unsigned: readonly string[], allow: boolean): PeerMatcher {
  if (peer.kind !== 'workload') return peer
  const close = (selector: Selector): Selector => selector.flatMap(one => {
    if (!unsigned.includes(one.key)) return [one]
    return allow ? [{ key: one.key, operator: 'unsigned' as const, values: [] }] : []
  })
  return {
    ...peer,
    ...(peer.labels === undefined ? {} : { labels: close(peer.labels) }),
    ...(peer.namespaceLabels === undefined ? {} : { namespaceLabels: close(peer.namespaceLabels) }),
  }
}

function keysOf ({ peers }: PolicyEntry, unsigned: readonly string[]): string[] {
  if (peers === 'everyone') return []
  const keys = peers.flatMap(peer => peer.kind === 'workload' ? [...peer.labels ?? [], ...peer.namespaceLabels ?? []] : []).map(({ key }) => key)
  return unsigned.filter(key => keys.includes(key))
}
