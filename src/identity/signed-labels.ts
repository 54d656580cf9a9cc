/**
 * Which labels are not signed.
 *
 * A certificate is issued anew whenever a signed label changes, and both agents match what is signed. Labels that
 * controllers make up for their own book-keeping change with every roll-out and mean nothing to a policy; signing
 * them would only make certificates longer. Labels that *name* something stay: `statefulset.kubernetes.io/pod-name`,
 * `apps.kubernetes.io/pod-index` and `batch.kubernetes.io/job-name` are stable, and people select by them.
 */

import type { Labels } from '../model/labels.ts'
import type { WorkloadAttributes } from '../model/workload.ts'

/** Keys of pod labels that are not signed. @default */
export const defaultExcludedLabels: readonly string[] = [
  'pod-template-hash',                    // Deployment, by way of its ReplicaSet
  'controller-revision-hash',             // DaemonSet, StatefulSet
  'pod-template-generation',              // DaemonSet, before Kubernetes 1.12
  'controller-uid',                       // Job, until Kubernetes 1.27
  'batch.kubernetes.io/controller-uid',   // Job
]

/** The labels without the excluded ones. */
export function signedLabels (labels: Labels, excluded: readonly string[] = defaultExcludedLabels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !excluded.includes(key)))
}

/** The attributes as they are signed: pod labels without the excluded ones; all labels of the namespace. */
export function signedAttributes (attributes: WorkloadAttributes, excluded: readonly string[] = defaultExcludedLabels): WorkloadAttributes {
  return { ...attributes, labels: signedLabels(attributes.labels, excluded) }
}
