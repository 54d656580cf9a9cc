/** AdminNetworkPolicy and BaselineAdminNetworkPolicy, policy.networking.k8s.io/v1alpha1. */

import { whyNotPortName } from '../names.ts'
import { readRules, readSubject } from './admin-rules.ts'
import { readClusterRef, readObserve } from './metadata.ts'
import { readProtocol } from './ports.ts'
import type { Policy, PortMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'
import type { Dialect } from './admin-rules.ts'

const baseline: Dialect = {
  actions: { Allow: 'allow', Deny: 'deny' },
  portsField: 'ports',
  readPort,
  maxRules: 100,
  maxItems: 100,
  namespaceOptional: false,
}

const admin: Dialect = { ...baseline, actions: { ...baseline.actions, Pass: 'pass' } }

const portFields = ['portNumber', 'portRange', 'namedPort']

/** The API gives the singleton no priority. It stands after every ClusterNetworkPolicy of the baseline tier (0 to 1000). */
const lastPriority = 1001

export function readAdminNetworkPolicy (object: Place): Policy {
  const spec = object.at('spec')
  spec.record(['priority', 'subject', 'ingress', 'egress'])
  return readPolicy(object, 'AdminNetworkPolicy', 'admin', spec.at('priority').integer(0, 1000) ?? 0, admin)
}

/** There is one, and its name is `default`. */
export function readBaselineAdminNetworkPolicy (object: Place): Policy {
  object.at('spec').record(['subject', 'ingress', 'egress'])
  const name = object.at('metadata').at('name')
  if (name.value !== 'default') name.refuse('the one BaselineAdminNetworkPolicy is named "default"')
  return readPolicy(object, 'BaselineAdminNetworkPolicy', 'baseline', lastPriority, baseline)
}

function readPolicy (object: Place, kind: string, tier: Policy['tier'], priority: number, dialect: Dialect): Policy {
  const ref = readClusterRef(object, kind)
  const spec = object.at('spec')
  return {
    ref,
    tier,
    priority,
    subject: readSubject(spec.at('subject'), dialect),
    isolates: [],
    entries: [...readRules(spec, 'ingress', ref, dialect), ...readRules(spec, 'egress', ref, dialect)],
    observe: readObserve(object),
    broken: '',
  }
}

/** Exactly one of `portNumber`, `portRange`, `namedPort`. */
function readPort (place: Place): readonly PortMatcher[] | undefined {
  if (place.present && !place.isRecord) { place.refuse('an object is expected'); return [] }
  const keys = place.keys()
  if (!keys.some(key => portFields.includes(key))) { place.warn('a port with no known field: the rule fails closed'); return undefined }
  if (keys.length > 1) { place.refuse('exactly one of portNumber, portRange, namedPort is needed'); return [] }
  if (keys[0] === 'portNumber') return readPortNumber(place.at('portNumber'))
  return keys[0] === 'portRange' ? readPortRange(place.at('portRange')) : readNamedPort(place.at('namedPort'))
}

function readPortNumber (place: Place): readonly PortMatcher[] {
  if (!place.record(['protocol', 'port'])) return []
  const [protocol, port] = [readProtocol(place.at('protocol')), place.at('port').integer(1, 65535)]
  return protocol === undefined || port === undefined ? [] : [{ kind: 'range', protocol, low: port, high: port }]
}

function readPortRange (place: Place): readonly PortMatcher[] {
  if (!place.record(['protocol', 'start', 'end'])) return []
  const protocol = readProtocol(place.at('protocol'))
  const range = readRange(place)
  return protocol === undefined || range === undefined ? [] : [{ kind: 'range', protocol, ...range }]
}

/** `start` is less than `end`, as the CRDs ask. */
export function readRange (place: Place): { low: number, high: number } | undefined {
  const [low, high] = [place.at('start').integer(1, 65535), place.at('end').integer(1, 65535)]
  if (low === undefined || high === undefined) return undefined
  return low < high ? { low, high } : place.refuse('start is less than end')
}

/** The API says no protocol beside a port's name, so any. */
export function readNamedPort (place: Place): readonly PortMatcher[] {
  const name = place.text(whyNotPortName)
  return name === undefined ? [] : [{ kind: 'named', protocol: 'any', name }]
}
