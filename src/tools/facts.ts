/** What an agent knows, as its admin server tells it at `/facts`, and read back for the tools. */

import { messageOf } from '../lib/error.ts'
import { parseEndpoint, PolicyError } from '../policy/index.ts'
import { inputInvalid } from './error.ts'
import { isRecord } from './evaluate.ts'
import { takeInventory } from './inventory.ts'
import type { Labels } from '../model/labels.ts'
import type { Identity } from '../model/workload.ts'
import type { ClusterName, ManifestWorkload } from '../policy/index.ts'
import type { ToolContext } from './context.ts'
import type { Inventory } from './inventory.ts'
import type { PlacedObject } from './validate.ts'

/** One consistent view; the workloads are endpoints in the form that `evaluate` takes. */
export interface AgentFacts extends ClusterName {
  readonly unsignedLabels: readonly string[]
  readonly workloads: readonly object[]
  /** The policy objects as they were read, with where they are from. */
  readonly manifests: readonly PlacedObject[]
}

export interface KnownFacts {
  readonly home: ClusterName
  readonly unsignedLabels: readonly string[]
  readonly identities: readonly Identity[]
  readonly manifests: readonly PlacedObject[]
}

/** For the agent. */
export function factsOf ({ home: { trustDomain, cluster }, unsignedLabels, identities, manifests }: KnownFacts): AgentFacts {
  return { trustDomain, cluster, unsignedLabels, workloads: identities.map(endpointJson), manifests }
}

function endpointJson ({ spiffeId: { trustDomain, serviceAccount }, attributes }: Identity): object {
  const { cluster, namespace, name, labels, namespaceLabels, ports, images } = attributes
  return { trustDomain, cluster, namespace, name, serviceAccount, labels, namespaceLabels, ports, images }
}

/** An agent tells an empty object until it runs. */
export function isStarting (facts: unknown): boolean {
  return isRecord(facts) && Object.keys(facts).length === 0
}

/** For the tools: the agent's own cluster and unsigned labels take the place of the context's. Throws ToolError `input-invalid`. */
export function inventoryOfFacts (facts: unknown, context: ToolContext): Inventory {
  if (!isRecord(facts)) throw inputInvalid('the agent does not tell its facts: an object is expected')
  const home = { trustDomain: textOf(facts, 'trustDomain'), cluster: textOf(facts, 'cluster') }
  const workloads = listOf(facts, 'workloads').map((one, i) => readWorkload(one, i, home))
  const objects = manifestsOfFacts(facts).map(({ object }) => object)
  const unsignedLabels = listOf(facts, 'unsignedLabels').filter(key => typeof key === 'string')
  return { ...takeInventory(objects, { ...context, home, homeOnly: true, unsignedLabels }), workloads, namespaces: namespacesOf(workloads) }
}

/** The policy objects of an agent, with where it has them from. Throws ToolError `input-invalid`. */
export function manifestsOfFacts (facts: unknown): PlacedObject[] {
  if (!isRecord(facts)) throw inputInvalid('the agent does not tell its facts: an object is expected')
  return listOf(facts, 'manifests').map(one => isRecord(one) ? { origin: typeof one['origin'] === 'string' ? one['origin'] : '', object: one['object'] } : { origin: '', object: undefined })
}

function readWorkload (value: unknown, i: number, home: ClusterName): ManifestWorkload {
  try {
    const endpoint = parseEndpoint(value, home)
    if (endpoint.kind === 'workload') return { kind: 'Pod', endpoint, ports: endpoint.identity.attributes.ports }
  } catch (error) {
    if (error instanceof PolicyError) throw inputInvalid(`the agent's workloads[${i}]: ${messageOf(error)}`, error)
    throw error
  }
  throw inputInvalid(`the agent's workloads[${i}]: a workload is expected`)
}

function namespacesOf (workloads: readonly ManifestWorkload[]): Record<string, Labels> {
  return Object.fromEntries(workloads.map(({ endpoint: { identity: { attributes } } }) => [attributes.namespace, attributes.namespaceLabels]))
}

function textOf (facts: Record<string, unknown>, key: string): string {
  const value = facts[key]
  if (typeof value !== 'string') throw inputInvalid(`the agent does not tell its ${key}`)
  return value
}

function listOf (facts: Record<string, unknown>, key: string): readonly unknown[] {
  const value = facts[key]
  if (!Array.isArray(value)) throw inputInvalid(`the agent does not tell its ${key}`)
  return value
}
