/** What a set of manifests comes to: its policies ready to be asked, and its workloads. */

import { compile, parseManifests, workloadsIn } from '../policy/index.ts'
import { compileOptions } from './context.ts'
import { invalidLine } from './evaluate.ts'
import type { Labels } from '../model/labels.ts'
import type { ClusterName, Finding, ManifestWorkload, Policy, PolicyStore } from '../policy/index.ts'
import type { ToolContext } from './context.ts'
import type { InvalidLine } from './evaluate.ts'

export interface Inventory {
  readonly context: ToolContext
  readonly set: PolicyStore
  /** Sorted by kind, namespace, name. */
  readonly policies: readonly Policy[]
  /** Sorted by namespace, name, kind. */
  readonly workloads: readonly ManifestWorkload[]
  readonly namespaces: Readonly<Record<string, Labels>>
  /** Invalid policies, workloads and namespaces. An invalid policy takes part as what keeps its subject closed. */
  readonly invalid: readonly InvalidLine[]
  readonly findings: readonly Finding[]
}

/** Never throws, whatever the objects are. */
export function takeInventory (objects: readonly unknown[], context: ToolContext): Inventory {
  const { policies, invalid, findings } = parseManifests(objects, context)
  const { workloads, namespaces, invalid: others } = workloadsIn(objects, context.home)
  return { context, set: compile(policies, compileOptions(context)), policies, workloads, namespaces, invalid: [...invalid, ...others].map(invalidLine), findings }
}

/** The same, as if its workloads were of another cluster. */
export function rehomed (inventory: Inventory, home: ClusterName): Inventory {
  const workloads = inventory.workloads.map(workload => {
    const { identity } = workload.endpoint
    const moved = { spiffeId: { ...identity.spiffeId, trustDomain: home.trustDomain }, attributes: { ...identity.attributes, cluster: home.cluster } }
    return { ...workload, endpoint: { ...workload.endpoint, identity: moved } }
  })
  return { ...inventory, workloads, context: { ...inventory.context, home } }
}
