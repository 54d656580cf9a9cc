/**
 * What AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy have in common
 * (kubernetes-sigs/network-policy-api, apis/v1alpha1 and apis/v1alpha2): subjects, peers and rules.
 *
 * They differ in the names of actions and in how ports are written; that comes as a `Dialect`.
 *
 * A peer or port entry without any known field means that the CRD is of a newer version. The API asks to fail closed:
 * such an Allow rule matches nothing, such a Deny or Pass rule denies everything.
 */

import { readSelector } from '../selector.ts'
import { readDomains, readNetworks } from './addresses.ts'
import type { PeerMatcher, PolicyDirection, PolicyEntry, PolicyRef, PortMatcher, SubjectMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

export interface Dialect {
  /** Its actions, and what they are in normal form. */
  readonly actions: Readonly<Record<string, PolicyEntry['action']>>
  readonly portsField: 'ports' | 'protocols'
  /** `undefined` when the item has no known field. */
  readPort (item: Place): readonly PortMatcher[] | undefined
  readonly maxRules: number
  readonly maxItems: number
  /** Whether `pods.namespaceSelector` may be absent, meaning every namespace. */
  readonly namespaceOptional: boolean
}

const ingressPeers = ['namespaces', 'pods']
const egressPeers = [...ingressPeers, 'nodes', 'networks', 'domainNames']
/** CIDRs and domain names of one peer. */
const maxAddresses = 25
const maxRuleName = 100

/** Exactly one of `namespaces` and `pods`. */
export function readSubject (place: Place, dialect: Dialect): SubjectMatcher {
  if (!place.record(['namespaces', 'pods'])) return {}
  const keys = place.keys()
  if (keys.length !== 1) { place.refuse('exactly one of namespaces, pods is needed'); return {} }
  return keys[0] === 'namespaces' ? { namespaceLabels: readSelector(place.at('namespaces')) } : readNamespacedPod(place.at('pods'), dialect)
}

function readNamespacedPod (place: Place, { namespaceOptional }: Dialect): Pick<SubjectMatcher, 'namespaceLabels' | 'labels'> {
  place.record(['namespaceSelector', 'podSelector'])
  const [namespaces, pods] = [place.at('namespaceSelector'), place.at('podSelector')]
  if (!pods.present) pods.refuse('required')
  if (!namespaces.present && !namespaceOptional) namespaces.refuse('required')
  return { namespaceLabels: namespaces.present ? readSelector(namespaces) : [], labels: pods.present ? readSelector(pods) : [] }
}

export function readRules (spec: Place, direction: PolicyDirection, policy: PolicyRef, dialect: Dialect): PolicyEntry[] {
  return spec.at(direction).items({ most: dialect.maxRules }).map(place => readRule(place, direction, policy, dialect))
}

function readRule (place: Place, direction: PolicyDirection, policy: PolicyRef, dialect: Dialect): PolicyEntry {
  const peersField = direction === 'ingress' ? 'from' : 'to'
  place.record(['name', 'action', peersField, dialect.portsField])
  const name = place.at('name')
  const action = dialect.actions[place.at('action').oneOf(Object.keys(dialect.actions)) ?? ''] ?? 'deny'
  const peers = readPeers(place.at(peersField), direction, action, dialect)
  const ports = readPorts(place.at(dialect.portsField), dialect)
  refuseNamedPortsOfNobody(place, peersField, ports)
  return {
    policy,
    rule: place.path.replace(/^spec\./, ''),
    description: name.present ? name.text(text => text.length <= maxRuleName ? undefined : `at most ${maxRuleName} characters`) ?? '' : '',
    direction,
    observe: false,
    ...failClosed(action, peers, ports),
    mode: undefined,
    onChange: undefined,
    active: undefined,
  }
}

type Reach = Pick<PolicyEntry, 'action' | 'peers' | 'ports'>

function failClosed (action: Reach['action'], peers: Reach['peers'] | undefined, ports: Reach['ports'] | undefined): Reach {
  if (peers !== undefined && ports !== undefined) return { action, peers, ports }
  return action === 'allow' ? { action, peers: [], ports: [] } : { action: 'deny', peers: 'everyone', ports: 'every' }
}

/** `undefined` when some peer has no known field. */
function readPeers (place: Place, direction: PolicyDirection, action: PolicyEntry['action'], dialect: Dialect): PeerMatcher[] | undefined {
  if (!place.present) return place.refuse('required')
  const peers = place.items({ least: 1, most: dialect.maxItems }).map(item => readPeer(item, direction, action, dialect))
  return peers.includes(undefined) ? undefined : peers.flatMap(peer => peer ?? [])
}

function readPeer (place: Place, direction: PolicyDirection, action: PolicyEntry['action'], dialect: Dialect): PeerMatcher[] | undefined {
  if (place.present && !place.isRecord) { place.refuse('an object is expected'); return [] }
  const known = direction === 'ingress' ? ingressPeers : egressPeers
  const keys = place.keys()
  const field = keys.find(key => known.includes(key))
  if (field === undefined) { place.warn('a peer with no known field: the rule fails closed'); return undefined }
  if (keys.length > 1) { place.refuse(`exactly one of ${known.join(', ')} is needed`); return [] }
  return readKnownPeer(place.at(field), field, action, dialect)
}

function readKnownPeer (place: Place, field: string, action: PolicyEntry['action'], dialect: Dialect): PeerMatcher[] {
  switch (field) {
    case 'namespaces': return [{ kind: 'workload', reach: 'same', namespaceLabels: readSelector(place) }]
    case 'pods': return [{ kind: 'workload', reach: 'same', ...readNamespacedPod(place, dialect) }]
    case 'nodes': return [{ kind: 'node', labels: readSelector(place) }]
    case 'networks': return readNetworks(place, maxAddresses)
    default:
      if (action !== 'allow') place.refuse('domainNames are only for rules that allow')
      return readDomains(place, maxAddresses)
  }
}

/** `undefined` when some item has no known field. Absent means every port; an empty list is refused. */
function readPorts (place: Place, dialect: Dialect): 'every' | PortMatcher[] | undefined {
  if (!place.present) return 'every'
  const ports = place.items({ least: 1, most: dialect.maxItems }).map(item => dialect.readPort(item))
  return ports.includes(undefined) ? undefined : ports.flatMap(port => port ?? [])
}

/** Nodes, networks and domain names have no named ports (a CEL rule of the CRDs). */
function refuseNamedPortsOfNobody (rule: Place, peersField: 'from' | 'to', ports: PolicyEntry['ports'] | undefined): void {
  if (ports === undefined || ports === 'every' || !ports.some(({ kind }) => kind === 'named')) return
  for (const peer of rule.at(peersField).items()) {
    const nobody = peer.keys().some(key => egressPeers.includes(key) && !ingressPeers.includes(key))
    if (nobody) peer.refuse('a peer without named ports cannot stand beside a named port')
  }
}
