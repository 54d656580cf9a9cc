/** The policies of a folder in the place of those that an agent enforces, for the same workloads. */

import { nameOfWorkload } from './endpoint-text.ts'
import { takeInventory } from './inventory.ts'
import type { ManifestWorkload } from '../policy/index.ts'
import type { Inventory } from './inventory.ts'

/** Two inventories of the same workloads, which differ in their policies only. */
export interface Proposal {
  readonly today: Inventory
  readonly proposed: Inventory
}

/**
 * An agent knows the pods of its own node, and a folder may describe those of others, so both sides have both; where
 * they disagree about a workload or the labels of a namespace, the agent is right. Never throws.
 */
export function proposeTo (agent: Inventory, objects: readonly unknown[]): Proposal {
  const folder = takeInventory(objects, agent.context)
  const namespaces = { ...folder.namespaces, ...agent.namespaces }
  const here = new Set(agent.workloads.map(nameOfWorkload))
  const elsewhere = folder.workloads.filter(workload => !here.has(nameOfWorkload(workload))).map(workload => inNamespaces(workload, namespaces))
  const workloads = [...agent.workloads, ...elsewhere]
  return { today: { ...agent, workloads, namespaces }, proposed: { ...folder, workloads, namespaces } }
}

function inNamespaces (workload: ManifestWorkload, namespaces: Inventory['namespaces']): ManifestWorkload {
  const { endpoint, endpoint: { identity, identity: { attributes } } } = workload
  const namespaceLabels = Object.hasOwn(namespaces, attributes.namespace) ? namespaces[attributes.namespace] : undefined
  if (namespaceLabels === undefined) return workload
  return { ...workload, endpoint: { ...endpoint, identity: { ...identity, attributes: { ...attributes, namespaceLabels } } } }
}
