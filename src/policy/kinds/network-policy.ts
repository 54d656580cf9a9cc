/**
 * NetworkPolicy networking.k8s.io/v1.
 * Semantics: k8s.io/api/networking/v1/types.go; validation: kubernetes pkg/apis/networking/validation.
 */

import { readSelector } from '../selector.ts'
import { readIpBlock } from './addresses.ts'
import { readNamespacedRef, readObserve } from './metadata.ts'
import { readPorts } from './ports.ts'
import type { PeerMatcher, Policy, PolicyDirection, PolicyEntry, PolicyRef, WorkloadMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

export function readNetworkPolicy (object: Place): Policy {
  const ref = readNamespacedRef(object, 'NetworkPolicy')
  const spec = object.at('spec')
  spec.record(['podSelector', 'policyTypes', 'ingress', 'egress'])
  const podSelector = spec.at('podSelector')
  return {
    ref,
    tier: 'network',
    priority: 0,
    // An absent podSelector is the zero value of a struct, not of a pointer: it selects every pod of the namespace.
    subject: { namespaces: [ref.namespace], ...(podSelector.present ? { labels: readSelector(podSelector) } : {}) },
    isolates: readPolicyTypes(spec),
    entries: [...readRules(spec, 'ingress', 'from', ref), ...readRules(spec, 'egress', 'to', ref)],
    observe: readObserve(object),
    broken: '',
  }
}

/** Absent: ingress, and egress only if there are egress rules. Only listed directions are isolated. */
function readPolicyTypes (spec: Place): PolicyDirection[] {
  const place = spec.at('policyTypes')
  const types = place.items({ most: 2 }).map(item => item.oneOf(['Ingress', 'Egress']))
  if (types.length === 0) return spec.at('egress').items().length > 0 ? ['ingress', 'egress'] : ['ingress']
  return (['ingress', 'egress'] as const).filter(direction => types.includes(direction === 'ingress' ? 'Ingress' : 'Egress'))
}

function readRules (spec: Place, direction: PolicyDirection, peersField: 'from' | 'to', policy: PolicyRef): PolicyEntry[] {
  return spec.at(direction).items().map((place, i) => {
    place.record([peersField, 'ports'])
    const peers = place.at(peersField).items()
    return {
      policy,
      rule: `${direction}[${i}]`,
      description: '',
      direction,
      action: 'allow',
      observe: false,
      peers: peers.length === 0 ? 'everyone' : peers.map(peer => readPeer(peer, policy.namespace)).filter(peer => peer !== undefined),
      ports: readPorts(place.at('ports')),
      mode: undefined,
      onChange: undefined,
      active: undefined,
    }
  })
}

/** Selectors of one peer are ANDed; an absent namespaceSelector means the policy's own namespace. */
function readPeer (place: Place, namespace: string): PeerMatcher | undefined {
  if (!place.record(['podSelector', 'namespaceSelector', 'ipBlock'])) return undefined
  const [pods, namespaces, ipBlock] = [place.at('podSelector'), place.at('namespaceSelector'), place.at('ipBlock')]
  if (ipBlock.present) return pods.present || namespaces.present ? ipBlock.refuse('ipBlock excludes the selectors') : readIpBlock(ipBlock)
  if (!pods.present && !namespaces.present) return place.refuse('one of podSelector, namespaceSelector, ipBlock is needed')
  return {
    kind: 'workload',
    reach: 'same',
    ...(namespaces.present ? { namespaceLabels: readSelector(namespaces) } : { namespaces: [namespace] }),
    ...(pods.present ? { labels: readSelector(pods) } : {}),
  } satisfies WorkloadMatcher
}
