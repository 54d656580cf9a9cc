/** What records do not hold of a workload is looked up in manifests: named ports, images, the labels of its namespace. */

import { namespaceNameLabel } from '../model/labels.ts'
import { keyOf, keyOfPod, stableLabelsOf } from './records.ts'
import type { Labels } from '../model/labels.ts'
import type { Endpoint, ManifestWorkload } from '../policy/index.ts'
import type { Inventory } from './inventory.ts'
import type { ObservedEnd, ObservedWorkload } from './records.ts'

export function endpointOf (end: ObservedEnd, inventory: Inventory): Endpoint {
  if (end.kind === 'external') return { kind: 'external', ip: end.ip, domains: [] }
  const { spiffeId, cluster, name, labels } = end
  const { namespace } = spiffeId
  const described = workloadOf(end, inventory)?.endpoint.identity.attributes
  const namespaceLabels = Object.hasOwn(inventory.namespaces, namespace) ? inventory.namespaces[namespace] : {}
  return {
    kind: 'workload', ip: undefined, hostNetwork: false, nodeLabels: undefined,
    identity: {
      spiffeId,
      attributes: {
        cluster, namespace, name, uid: '', owner: described?.owner, labels, ports: described?.ports ?? [], images: described?.images ?? [],
        namespaceLabels: { ...namespaceLabels, [namespaceNameLabel]: namespace },
      },
    },
  }
}

/** The one of the same service account whose labels all are among the pod's, most of them; a pod has more than its template says. */
export function workloadOf ({ spiffeId, labels }: ObservedWorkload, { workloads, context }: Inventory): ManifestWorkload | undefined {
  let best: ManifestWorkload | undefined
  for (const workload of workloads) {
    const { spiffeId: { namespace, serviceAccount }, attributes } = workload.endpoint.identity
    if (namespace !== spiffeId.namespace || serviceAccount !== spiffeId.serviceAccount || !isPart(stableLabelsOf(attributes.labels, context.unsignedLabels), labels)) continue
    if (best === undefined || sizeOf(workload) > sizeOf(best)) best = workload
  }
  return best
}

function isPart (some: Labels, all: Labels): boolean {
  const keys = Object.keys(some)
  return keys.length > 0 && keys.every(key => Object.hasOwn(all, key) && all[key] === some[key])
}

function sizeOf ({ endpoint: { identity: { attributes: { labels } } } }: ManifestWorkload): number {
  return Object.keys(labels).length
}

/** The workloads of which pods were observed, and with a pod all that records do not tell from it: an agent's facts have each replica. */
export function observedWorkloads (ends: readonly ObservedEnd[], inventory: Inventory): Set<ManifestWorkload> {
  const keys = new Set(ends.map(keyOf))
  const alike = inventory.workloads.filter(workload => keys.has(keyOfWorkload(workload, inventory.context.unsignedLabels)))
  return new Set([...alike, ...ends.flatMap(end => end.kind === 'workload' ? workloadOf(end, inventory) ?? [] : [])])
}

function keyOfWorkload ({ endpoint: { identity: { spiffeId, attributes: { cluster, labels } } } }: ManifestWorkload, unsignedLabels: readonly string[]): string {
  return keyOfPod({ spiffeId, cluster, stableLabels: stableLabelsOf(labels, unsignedLabels) })
}
