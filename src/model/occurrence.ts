/** What an operator should see at the very object that it is about: one closed table of reasons. */

import type { SpiffeId } from './spiffe-id.ts'
import type { Identity } from './workload.ts'

interface ReasonRow {
  /** What was tried, one word; `action` of a Kubernetes Event. */
  readonly action: string
  /** Begins the note. */
  readonly text: string
}

export const occurrenceReasons = {
  'NotCaptured': { action: 'Capture', text: 'the pod is selected, but not captured' },
  'StartRefused': { action: 'Capture', text: 'the pod does not start, because it cannot be captured' },
  'StartedUncaptured': { action: 'Capture', text: 'the pod has started before it was captured' },
  'NoCertificate': { action: 'Identify', text: 'the pod has no certificate, and its connections wait for one' },
  'BadAnnotation': { action: 'Select', text: 'an annotation of the pod, or a label of its namespace, cannot be read and opens nothing' },
  'FlowDenied': { action: 'Connect', text: 'a connection was denied' },
  'PolicyInvalid': { action: 'Enforce', text: 'the policy is invalid: the pods that it selects are kept closed' },
} as const satisfies Record<string, ReasonRow>

export type OccurrenceReason = keyof typeof occurrenceReasons

/** A Kubernetes object, by all its names. */
export interface ObjectName {
  readonly apiVersion: string
  readonly kind: string
  /** Empty for an object of no namespace. */
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface Occurrence {
  readonly about: ObjectName
  readonly reason: OccurrenceReason
  /** One sentence, lower case, no final period. May hold words of others: whoever shows it bounds and cleans them. */
  readonly note: string
  /** With object and reason: what is the same thing again. */
  readonly sort: string
  /** Every agent of the cluster sees it, and one is enough to tell it. */
  readonly isShared: boolean
}

export function podName ({ namespace, name, uid }: { readonly namespace: string, readonly name: string, readonly uid: string }): ObjectName {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid }
}

/** Who a workload is to people: what made it, or else its service account. Equal for the pods of one Deployment. */
export function kindOfWorkload ({ spiffeId, attributes: { cluster, namespace, owner } }: Identity): string {
  const who = owner === undefined ? serviceAccountOf(spiffeId) : `${owner.kind} ${namespace}/${owner.name}`
  return `${who} of cluster ${cluster}`
}

function serviceAccountOf ({ namespace, serviceAccount }: SpiffeId): string {
  return `service account ${namespace}/${serviceAccount}`
}
