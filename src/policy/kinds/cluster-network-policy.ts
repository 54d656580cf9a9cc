/** ClusterNetworkPolicy, policy.networking.k8s.io/v1alpha2. */

import { readNamedPort, readRange } from './admin-network-policy.ts'
import { readRules, readSubject } from './admin-rules.ts'
import { readClusterRef, readObserve } from './metadata.ts'
import type { Protocol } from '../../model/workload.ts'
import type { Policy, PortMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'
import type { Dialect } from './admin-rules.ts'

const dialect: Dialect = {
  actions: { Accept: 'allow', Deny: 'deny', Pass: 'pass' },
  portsField: 'protocols',
  readPort: readProtocolMatch,
  maxRules: 25,
  maxItems: 25,
  namespaceOptional: true,
}

const protocolFields = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const satisfies Record<string, Protocol>

export function readClusterNetworkPolicy (object: Place): Policy {
  const ref = readClusterRef(object, 'ClusterNetworkPolicy')
  const spec = object.at('spec')
  spec.record(['tier', 'priority', 'subject', 'ingress', 'egress'])
  return {
    ref,
    // An unreadable tier counts as admin: its deny-all then stands before everything.
    tier: spec.at('tier').oneOf(['Admin', 'Baseline']) === 'Baseline' ? 'baseline' : 'admin',
    priority: spec.at('priority').integer(0, 1000) ?? 0,
    subject: readSubject(spec.at('subject'), dialect),
    isolates: [],
    entries: [...readRules(spec, 'ingress', ref, dialect), ...readRules(spec, 'egress', ref, dialect)],
    observe: readObserve(object),
    broken: '',
  }
}

/** Exactly one of `tcp`, `udp`, `sctp`, `destinationNamedPort`. */
function readProtocolMatch (place: Place): readonly PortMatcher[] | undefined {
  if (place.present && !place.isRecord) { place.refuse('an object is expected'); return [] }
  const keys = place.keys()
  const field = keys.find(key => key === 'destinationNamedPort' || Object.hasOwn(protocolFields, key))
  if (field === undefined) { place.warn('a protocol with no known field: the rule fails closed'); return undefined }
  if (keys.length > 1) { place.refuse('exactly one of tcp, udp, sctp, destinationNamedPort is needed'); return [] }
  if (field === 'destinationNamedPort') return readNamedPort(place.at(field))
  return readDestinationPort(place.at(field), protocolFields[field as keyof typeof protocolFields]) // the other fields were asked above
}

/** `{destinationPort: {number} or {range: {start, end}}}`; the CRD refuses an empty object. */
function readDestinationPort (place: Place, protocol: Protocol): readonly PortMatcher[] {
  if (!place.record(['destinationPort'])) return []
  const port = place.at('destinationPort')
  if (!port.record(['number', 'range'])) return []
  if (port.keys().length !== 1) { port.refuse('exactly one of number, range is needed'); return [] }
  if (port.at('range').present) {
    const range = port.at('range').record(['start', 'end']) ? readRange(port.at('range')) : undefined
    return range === undefined ? [] : [{ kind: 'range', protocol, ...range }]
  }
  const number = port.at('number').integer(1, 65535)
  return number === undefined ? [] : [{ kind: 'range', protocol, low: number, high: number }]
}
