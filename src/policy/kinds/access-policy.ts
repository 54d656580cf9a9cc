/**
 * AccessPolicy, liburna.io/v1alpha1: what no standard kind can say. The CRD is daemonset/crd-accesspolicy.yaml; what
 * its schema cannot check is checked here too, because policies also come from files.
 *
 * It is cluster-scoped: it speaks of other namespaces, clusters and trust domains, which is an administrator's affair.
 */

import { whyNotNamespace, whyNotSubdomain } from '../names.ts'
import { readSelector } from '../selector.ts'
import { readPeers, whyNotImage } from './access-peers.ts'
import { readActive } from './access-time.ts'
import { readClusterRef, readObserve } from './metadata.ts'
import { readPorts } from './ports.ts'
import type { OnChange, Policy, PolicyDirection, PolicyEntry, PolicyRef, RequiredMode, SubjectMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

/** Rules per direction, and items of each list in a rule. */
const maxRules = 100
const maxItems = 100
const maxDescription = 256
/** Longest time that a denied connection may drain: a day. */
const maxDrainSeconds = 86_400
const defaultDrainSeconds = 30

const directions = ['ingress', 'egress'] as const satisfies readonly PolicyDirection[]

export function readAccessPolicy (object: Place): Policy {
  const ref = readClusterRef(object, 'AccessPolicy')
  const spec = object.at('spec')
  spec.record(['description', 'enforcement', 'subject', 'isolates', 'ingress', 'egress', 'onChange', 'drainSeconds', 'active'])
  const shared = { description: readDescription(spec.at('description')), onChange: readOnChange(spec), active: readActive(spec.at('active')) }
  const entries = directions.flatMap(direction => spec.at(direction).items({ most: maxRules }).map(rule => readRule(rule, direction, ref, shared)))
  return {
    ref,
    tier: 'access',
    priority: 0,
    subject: readSubject(spec.at('subject')),
    isolates: readIsolates(spec.at('isolates'), entries),
    entries,
    observe: readEnforcement(spec.at('enforcement')) || readObserve(object),
    broken: '',
  }
}

type Shared = Pick<PolicyEntry, 'description' | 'onChange' | 'active'>

function readDescription (place: Place): string {
  return place.present ? place.text(text => text.length <= maxDescription ? undefined : `at most ${maxDescription} characters`) ?? '' : ''
}

function readEnforcement (place: Place): boolean {
  return place.present && place.oneOf(['enforce', 'observe']) === 'observe'
}

/** Absent: every workload. */
function readSubject (place: Place): SubjectMatcher {
  if (!place.present || !place.record(['namespaces', 'namespaceSelector', 'podSelector', 'serviceAccounts', 'images'])) return {}
  return {
    ...list(place.at('namespaces'), 'namespaces', whyNotNamespace),
    ...(place.at('namespaceSelector').present ? { namespaceLabels: readSelector(place.at('namespaceSelector'), { prefixes: true }) } : {}),
    ...(place.at('podSelector').present ? { labels: readSelector(place.at('podSelector'), { prefixes: true }) } : {}),
    ...list(place.at('serviceAccounts'), 'serviceAccounts', whyNotSubdomain),
    ...list(place.at('images'), 'images', whyNotImage),
  }
}

function list<K extends string> (place: Place, key: K, whyNot: (text: string) => string | undefined): { readonly [_ in K]?: string[] } {
  return place.present ? { [key]: place.set(whyNot, { least: 1, most: maxItems }) } as { readonly [_ in K]?: string[] } : {} // a computed key loses its type
}

/** Absent: the directions that hold an allow rule, as a list of who may enter means that others may not. */
function readIsolates (place: Place, entries: readonly PolicyEntry[]): PolicyDirection[] {
  const named = place.items({ most: 2 }).map(item => item.oneOf(directions))
  const allows = (direction: PolicyDirection): boolean => entries.some(entry => entry.direction === direction && entry.action === 'allow' && !entry.observe)
  return directions.filter(direction => place.present ? named.includes(direction) : allows(direction))
}

function readRule (place: Place, direction: PolicyDirection, policy: PolicyRef, shared: Shared): PolicyEntry {
  const peersField = direction === 'ingress' ? 'from' : 'to'
  place.record(['name', 'action', 'observes', peersField, 'ports', 'mode'])
  const name = readDescription(place.at('name'))
  const act = readAction(place)
  const peers = readPeers(place.at(peersField), direction, act.action)
  return {
    policy,
    rule: place.path.replace(/^spec\./, ''),
    direction,
    ...act,
    peers,
    ports: readRulePorts(place.at('ports')),
    mode: readMode(place.at('mode'), act.action, peers),
    ...shared,
    description: [name, shared.description].filter(text => text !== '').join(': '),
  }
}

/** `observe` says what it would do by `observes`, deny when absent. An absent action means allow. */
function readAction (rule: Place): Pick<PolicyEntry, 'action' | 'observe'> {
  const [place, observes] = [rule.at('action'), rule.at('observes')]
  const action = place.present ? place.oneOf(['allow', 'deny', 'observe']) : 'allow'
  if (action !== 'observe' && observes.present) observes.refuse('only beside action: observe')
  if (action === 'observe') return { action: observes.present ? observes.oneOf(['allow', 'deny']) ?? 'deny' : 'deny', observe: true }
  return { action: action ?? 'deny', observe: false }
}

/** Absent means every port; an empty list is refused, because it is not clear what it means. */
function readRulePorts (place: Place): PolicyEntry['ports'] {
  if (place.present) place.items({ least: 1, most: maxItems })
  return readPorts(place)
}

function readMode (place: Place, action: PolicyEntry['action'], peers: PolicyEntry['peers']): RequiredMode | undefined {
  if (!place.present) return undefined
  const mode = place.oneOf(['encrypt', 'authenticate'])
  if (action !== 'allow') return place.refuse('only in rules that allow')
  if (peers !== 'everyone' && peers.some(({ kind }) => kind !== 'workload')) return place.refuse('external peers cannot meet a mode')
  return mode
}

function readOnChange (spec: Place): OnChange | undefined {
  const [place, seconds] = [spec.at('onChange'), spec.at('drainSeconds')]
  const kind = place.present ? place.oneOf(['close', 'drain', 'keep']) : undefined
  if (kind !== 'drain' && seconds.present) return seconds.refuse('only beside onChange: drain')
  if (kind === 'drain') return { kind, forMs: 1000 * (seconds.present ? seconds.integer(1, maxDrainSeconds) ?? 0 : defaultDrainSeconds) }
  return kind === undefined ? undefined : { kind }
}
