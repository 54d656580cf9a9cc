/** What is kept of a policy object. */

import { listAt, textAt, textsAt, valueAt } from './json.ts'
import type { Manifest } from '../source.ts'
import type { Resource } from './resources.ts'
import type { ObjectName } from '../../model/occurrence.ts'

/** `Accepted` in the status of an AccessPolicy. */
export interface AcceptedCondition {
  readonly status: string
  readonly reason: string
  readonly message: string
  /** Generation of the object that it is about. */
  readonly generation: number
  readonly sinceText: string
}

export interface PolicyObject {
  readonly name: ObjectName
  /** What is enforced. It does not change when only the rest does. */
  readonly manifest: Manifest
  /** Grows with each change of the spec. */
  readonly generation: number
  /** Changes with everything. */
  readonly version: string
  /** As the API server has it; `undefined` without one. */
  readonly accepted: AcceptedCondition | undefined
}

export const acceptedType = 'Accepted'

/**
 * Of the object's content: name, spec and our own annotations. Items of a list do not say of which kind they are; here they do. Who
 * manages which field, and what was applied last, is longer than the policy and of no use to us.
 */
export function policyObjectOf (object: unknown, { kind, apiVersion }: Resource): PolicyObject {
  const metadata = (key: string): string => textAt(object, 'metadata', key)
  const [namespace, name] = [metadata('namespace'), metadata('name')]
  const annotations = Object.fromEntries(Object.entries(textsAt(object, 'metadata', 'annotations')).filter(([key]) => key.startsWith('liburna.io/')))
  return {
    name: { apiVersion, kind, namespace, name, uid: metadata('uid') },
    manifest: {
      origin: `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`,
      object: { apiVersion, kind, metadata: { name, ...namespace !== '' && { namespace }, annotations }, spec: valueAt(object, 'spec') },
    },
    generation: numberAt(object, 'metadata', 'generation'), version: metadata('resourceVersion'),
    accepted: acceptedOf(object),
  }
}

function acceptedOf (object: unknown): AcceptedCondition | undefined {
  const condition = listAt(object, 'status', 'conditions').find(each => textAt(each, 'type') === acceptedType)
  if (condition === undefined) return undefined
  return {
    status: textAt(condition, 'status'), reason: textAt(condition, 'reason'), message: textAt(condition, 'message'),
    generation: numberAt(condition, 'observedGeneration'), sinceText: textAt(condition, 'lastTransitionTime'),
  }
}

function numberAt (value: unknown, ...keys: readonly string[]): number {
  const found = valueAt(value, ...keys)
  return typeof found === 'number' ? found : 0
}
