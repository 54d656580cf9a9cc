/** From Kubernetes objects to policies in normal form, and what is wrong with them. */

import { keepClosed } from './keep-closed.ts'
import { readAccessPolicy } from './kinds/access-policy.ts'
import { readAdminNetworkPolicy, readBaselineAdminNetworkPolicy } from './kinds/admin-network-policy.ts'
import { readClusterNetworkPolicy } from './kinds/cluster-network-policy.ts'
import { readNetworkPolicy } from './kinds/network-policy.ts'
import { openLists } from './manifest-list.ts'
import { formatRef } from './normal-form.ts'
import { Place } from './reader.ts'
import { withoutUnsigned } from './unsigned.ts'
import type { Policy, PolicyRef } from './normal-form.ts'
import type { Problem } from './reader.ts'

/** One thing wrong with one object. An object with several problems appears several times. */
export interface InvalidObject extends PolicyRef, Problem {}

/** Something valid that will probably not do what its author wants. */
export interface Finding extends PolicyRef {
  readonly path: string
  readonly reason: string
}

/** What objects have been read as; for one who reads almost the same objects again and again, and never changes one. */
export type ReadObjects = WeakMap<object, ParsedObject | 'no policy'>

export interface ParseOptions {
  /** An object that is known here is not read again; what is read is added. @default nothing is known */
  readonly known?: ReadObjects
  /** Label keys that issuers do not sign, so that no peer ever shows them. @default [] */
  readonly unsignedLabels?: readonly string[]
}

export interface ParsedManifests {
  /** Valid policies, and for each invalid one what keeps its subject closed. Sorted by kind, namespace, name. */
  readonly policies: readonly Policy[]
  readonly invalid: readonly InvalidObject[]
  readonly findings: readonly Finding[]
  /** How many objects were of kinds that are no policy. */
  readonly ignored: number
}

type Reader = (object: Place) => Policy

interface Kind {
  readonly group: string
  readonly version: string
  readonly read: Reader
}

export const policyKinds = {
  NetworkPolicy: { group: 'networking.k8s.io', version: 'v1', read: readNetworkPolicy },
  AdminNetworkPolicy: { group: 'policy.networking.k8s.io', version: 'v1alpha1', read: readAdminNetworkPolicy },
  BaselineAdminNetworkPolicy: { group: 'policy.networking.k8s.io', version: 'v1alpha1', read: readBaselineAdminNetworkPolicy },
  ClusterNetworkPolicy: { group: 'policy.networking.k8s.io', version: 'v1alpha2', read: readClusterNetworkPolicy },
  AccessPolicy: { group: 'liburna.io', version: 'v1alpha1', read: readAccessPolicy },
} as const satisfies Record<string, Kind>

/**
 * Reads every policy among `objects` (any JSON values; lists are opened). Never throws. The result does not depend
 * on the order of the objects. Two different objects of one name are both invalid: nobody can say which is meant.
 */
export function parseManifests (objects: readonly unknown[], { unsignedLabels = [], known = new WeakMap() }: ParseOptions = {}): ParsedManifests {
  const parsed: ParsedObject[] = []
  let ignored = 0
  for (const object of openLists(objects)) {
    const one = knownObject(object, known)
    if (one === 'no policy') ignored++
    else parsed.push(one)
  }
  const settled = settle(parsed)
  const findings = settled.flatMap(({ policy, warnings }) => warnings.map(({ path, reason }): Finding => ({ ...policy.ref, path, reason })))
  return {
    policies: settled.map(({ policy }) => withoutUnsigned(policy, unsignedLabels, findings)),
    invalid: settled.flatMap(({ policy, problems }) => problems.map(problem => ({ ...policy.ref, ...problem }))),
    findings,
    ignored,
  }
}

export interface ParsedObject {
  readonly policy: Policy
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
  /** The object as text, to tell equal from different ones. */
  readonly text: string
}

function knownObject (object: unknown, known: ReadObjects): ParsedObject | 'no policy' {
  if (typeof object !== 'object' || object === null) return parseObject(object)
  const before = known.get(object)
  if (before !== undefined) return before
  const parsed = parseObject(object)
  known.set(object, parsed)
  return parsed
}

function parseObject (object: unknown): ParsedObject | 'no policy' {
  const place = new Place(object)
  const kind = kindOf(place)
  if (kind === undefined) return 'no policy'
  place.record(['apiVersion', 'kind', 'metadata', 'spec', 'status'])
  if (place.at('apiVersion').value !== `${kind.group}/${kind.version}`) place.at('apiVersion').refuse(`${kind.group}/${kind.version} is expected`)
  const policy = kind.read(place)
  return { policy: place.problems.length > 0 ? keepClosed(policy, place) : policy, problems: place.problems, warnings: place.warnings, text: textOf(object) }
}

/** By kind and API group; another version of a known group is a policy too, though an invalid one. */
function kindOf (place: Place): Kind | undefined {
  const [name, apiVersion] = [place.at('kind').value, place.at('apiVersion').value]
  if (typeof name !== 'string' || !Object.hasOwn(policyKinds, name)) return undefined
  const kind: Kind = policyKinds[name as keyof typeof policyKinds] // hasOwn was asked
  const ours = typeof apiVersion !== 'string' || apiVersion.startsWith(`${kind.group}/`)
  return ours ? kind : undefined
}

function textOf (object: unknown): string {
  try { return JSON.stringify(object) } catch { return '' }
}

/** Sorted, with equal objects once, and with different objects of one name told apart by a number and kept closed. */
function settle (parsed: readonly ParsedObject[]): ParsedObject[] {
  const groups = Map.groupBy(parsed, ({ policy }) => formatRef(policy.ref))
  return [...groups.keys()].sort().flatMap(key => {
    const group = groups.get(key) ?? []
    const different = [...new Map(group.map(one => [one.text, one])).values()].sort((a, b) => a.text < b.text ? -1 : 1)
    return different.length === 1 ? different : different.map(numbered)
  })
}

function numbered ({ policy, problems, warnings, text }: ParsedObject, i: number): ParsedObject {
  const place = new Place({}, '', [...problems])
  place.at('metadata').at('name').refuse('another object of this kind has the same name and other content')
  const ref = { ...policy.ref, name: `${policy.ref.name}#${i + 1}` }
  return { policy: keepClosed({ ...policy, ref }, place), problems: place.problems, warnings, text }
}
