/**
 * Who took part, generalised: pods that nothing but their names tells apart are one role, and roles that talked to the
 * same peers on the same ports are one group, where labels can name it.
 */

import { formatLabels } from '../../model/labels.ts'
import { endsOf, keyOf } from '../records.ts'
import { selectorOf } from './selector.ts'
import type { Labels } from '../../model/labels.ts'
import type { ClusterName } from '../../policy/index.ts'
import type { Observation, ObservedWorkload } from '../records.ts'
import type { Selection } from './selector.ts'

/** Pods of one namespace, service account and set of labels. */
export interface Role {
  readonly key: string
  readonly cluster: ClusterName
  readonly namespace: string
  readonly serviceAccount: string
  readonly labels: Labels
}

/** Roles that are treated alike, and how policies name them. */
export interface RoleGroup extends Selection {
  readonly roles: readonly Role[]
  readonly cluster: ClusterName
  readonly namespace: string
}

export function roleOf (end: ObservedWorkload): Role {
  const { spiffeId: { trustDomain, namespace, serviceAccount }, cluster, stableLabels } = end
  return { key: keyOf(end), cluster: { trustDomain, cluster }, namespace, serviceAccount, labels: stableLabels }
}

/** Groups every role; `known` are further roles that no selector may hit, such as those of manifests. */
export function groupRoles (observations: readonly Observation[], known: readonly Role[]): RoleGroup[] {
  const roles = new Map(endsOf(observations).flatMap(end => end.kind === 'workload' ? [roleOf(end)] : []).map(role => [role.key, role]))
  const contacts = contactsOf(observations)
  const everyone = [...new Map([...known.map(role => [role.key, role] as const), ...roles]).values()]
  const places = Map.groupBy(everyone, placeOf)
  const twins = Map.groupBy(roles.values(), role => `${placeOf(role)} ${contacts.get(role.key) ?? ''}`)
  return [...twins.values()].flatMap(alike => groupsOf(alike, places)).sort((a, b) => nameOfGroup(a) < nameOfGroup(b) ? -1 : 1)
}

function nameOfGroup ({ cluster, roles: [first] }: RoleGroup): string {
  return `${cluster.trustDomain}/${cluster.cluster}/${first?.namespace ?? ''}/${formatLabels(first?.labels ?? {})}/${first?.serviceAccount ?? ''}`
}

function placeOf ({ cluster: { trustDomain, cluster }, namespace }: Role): string {
  return `${trustDomain}/${cluster}/${namespace}`
}

/** Everything that each role did, as text: equal for roles that did the same. */
function contactsOf (observations: readonly Observation[]): Map<string, string> {
  const contacts = new Map<string, string[]>()
  const note = (key: string, what: string): void => { contacts.set(key, [...contacts.get(key) ?? [], what]) }
  for (const { source, destination, port } of observations) {
    if (source.kind === 'workload') note(keyOf(source), `to ${keyOf(destination)} ${port}`)
    if (destination.kind === 'workload') note(keyOf(destination), `from ${keyOf(source)} ${port}`)
  }
  return new Map([...contacts].map(([key, whats]) => [key, whats.sort().join('\n')]))
}

/** One group where one selection hits exactly these roles, else one for each. */
function groupsOf (alike: readonly Role[], places: ReadonlyMap<string, readonly Role[]>): RoleGroup[] {
  const [first] = alike
  if (first === undefined) return []
  const others = (places.get(placeOf(first)) ?? []).filter(other => !alike.some(({ key }) => key === other.key))
  const selection = selectorOf(alike, others)
  const { cluster, namespace } = first
  if (selection !== undefined) return [{ ...selection, roles: alike, cluster, namespace }]
  return alike.flatMap(role => groupsOf([role], places))
}
