/** From pods, namespaces and sandboxes to the workloads that are captured. */

import { isDeepStrictEqual } from 'node:util'
import { identityOfPod } from './pod-facts.ts'
import { select } from './selection.ts'
import type { Labels } from '../../model/labels.ts'
import type { LocalWorkload } from '../source.ts'
import type { NodePods } from './node-pods.ts'
import type { PodPlace } from './pod-facts.ts'
import type { SelectionOptions } from './selection.ts'

export interface WorkloadList {
  /** Sorted by key. */
  readonly workloads: readonly LocalWorkload[]
  /** Keys of selected pods whose network namespace is not known, or is still another pod's of the same name; sorted. */
  readonly waiting: readonly string[]
  /** Annotations that cannot be read, by key of the pod. */
  readonly problems: ReadonlyMap<string, readonly string[]>
}

/** `before` gives equal workloads again as the same objects, so that who remembers by object need not think anew. */
export function listWorkloads (node: NodePods, namespaces: ReadonlyMap<string, Labels>, options: PodPlace & SelectionOptions, before: readonly LocalWorkload[]): WorkloadList {
  const known = new Map(before.map(workload => [workload.key, workload]))
  const workloads = new Map<string, LocalWorkload>()
  const waiting: string[] = []
  const problems = new Map<string, readonly string[]>()
  for (const pod of node.pods) {
    const namespaceLabels = namespaces.get(pod.namespace)
    const selection = namespaceLabels === undefined ? undefined : select(pod, namespaceLabels, options)
    if (namespaceLabels === undefined || selection === undefined) continue
    const key = `${pod.namespace}/${pod.name}`
    if (selection.problems.length > 0) problems.set(key, selection.problems)
    const netns = node.sandboxOf(pod)?.netns ?? ''
    if (netns === '' || workloads.has(key)) waiting.push(key)
    else workloads.set(key, same(known.get(key), { key, netns, exclude: selection.exclude, mode: selection.mode, identity: identityOfPod(pod, namespaceLabels, options) }))
  }
  return { workloads: [...workloads.values()].sort((a, b) => a.key < b.key ? -1 : 1), waiting: waiting.sort(), problems }
}

function same (before: LocalWorkload | undefined, now: LocalWorkload): LocalWorkload {
  if (before === undefined) return now
  if (isDeepStrictEqual(before, now)) return before
  return isDeepStrictEqual(before.identity, now.identity) ? { ...now, identity: before.identity } : now
}
