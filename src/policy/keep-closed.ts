/**
 * What is left of a policy whose object is invalid: enough to keep its subject closed in the directions it names.
 *
 * - A policy that could only have allowed (NetworkPolicy, an AccessPolicy whose every rule clearly allows): its subject
 *   is isolated by it and nothing is allowed by it; other policies may still allow.
 * - A policy that may have denied (the rest): its subject is denied everything, at the policy's place in the order,
 *   or before all others of the tier where that place cannot be read.
 *
 * What cannot be read is taken for its widest: an unreadable subject means every pod of the namespace, or of the
 * cluster for a cluster-scoped kind; an unreadable or unknown field beside the rules means both directions.
 * A dry run (`observe`) that is invalid decides nothing, as it would when valid.
 */

import { showRef } from './normal-form.ts'
import type { Policy, PolicyDirection, PolicyEntry } from './normal-form.ts'
import type { Place, Problem } from './reader.ts'

const directions = ['ingress', 'egress'] as const satisfies readonly PolicyDirection[]

/** `policy` is what could be read of `object`, whose `problems` are not empty. */
export function keepClosed (policy: Policy, object: Place): Policy {
  const { problems } = object
  const closed = closedDirections(policy, object)
  const [first] = problems
  const broken = first === undefined ? 'it is invalid' : `${first.path}: ${first.reason}`
  const inside = problems.some(({ path }) => isUnder(path, 'metadata.annotations'))
  return {
    ...policy,
    priority: problems.some(({ path }) => isUnder(path, 'spec.priority') || isUnder(path, 'spec.tier')) ? -1 : policy.priority,
    subject: closedSubject(policy, problems),
    isolates: onlyAllows(policy) ? closed : [],
    entries: onlyAllows(policy) ? [] : closed.map(direction => denyAll(policy, direction, broken)),
    observe: policy.observe && !inside,
    broken,
  }
}

/** Translators read an action that they cannot read as a denial. */
function onlyAllows ({ tier, entries }: Policy): boolean {
  return tier === 'network' || (tier === 'access' && entries.every(({ action, mode }) => action === 'allow' && mode === undefined))
}

function closedSubject ({ subject, ref }: Policy, problems: readonly Problem[]): Policy['subject'] {
  const readable = problems.every(({ path }) => path !== 'spec' && !isUnder(path, 'spec.subject') && !isUnder(path, 'spec.podSelector'))
  if (readable) return subject
  return ref.namespace === '' ? {} : { namespaces: [ref.namespace] }
}

function closedDirections (policy: Policy, object: Place): readonly PolicyDirection[] {
  const spec = object.at('spec')
  const unclear = object.problems.some(({ path }) => !isUnder(path, 'spec.ingress') && !isUnder(path, 'spec.egress') && isSpecField(path))
  if (unclear) return directions
  const listed = policy.tier === 'network' && spec.at('policyTypes').present
  const ruled = (direction: PolicyDirection): boolean => policy.entries.some(entry => entry.direction === direction) || unreadable(spec.at(direction))
  const named = directions.filter(direction => policy.isolates.includes(direction) || (!listed && ruled(direction)))
  // An object that was readable but is refused for another reason (a twin of the same name) has no `spec` here.
  return named.length > 0 ? named : directions
}

/** Fields that say nothing about directions. */
const elsewhere = ['podSelector', 'subject', 'priority', 'tier', 'onChange', 'drainSeconds', 'active', 'description']

/** A problem in `spec` itself, in `policyTypes` or `isolates`, or with a field that we do not know. */
function isSpecField (path: string): boolean {
  return path === 'spec' || (path.startsWith('spec.') && !elsewhere.some(field => isUnder(path, `spec.${field}`)))
}

function unreadable (rules: Place): boolean {
  return rules.present && (!Array.isArray(rules.value) || rules.value.length > 0)
}

function isUnder (path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}.`) || path.startsWith(`${parent}[`)
}

function denyAll ({ ref }: Policy, direction: PolicyDirection, broken: string): PolicyEntry {
  return {
    policy: ref,
    rule: '',
    description: `${showRef(ref)} is invalid (${broken})`,
    direction,
    action: 'deny',
    observe: false,
    peers: 'everyone',
    ports: 'every',
    mode: undefined,
    onChange: undefined,
    active: undefined,
  }
}
