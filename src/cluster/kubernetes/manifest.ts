/** What is kept of a policy object. */

import { textAt, textsAt, valueAt } from './json.ts'
import type { Manifest } from '../source.ts'
import type { Resource } from './resources.ts'

/**
 * Name, spec and our own annotations. Items of a list do not say of which kind they are; here they do. Who manages which
 * field, and what was applied last, is longer than the policy and of no use to us.
 */
export function manifestOf (object: unknown, { kind, apiVersion }: Resource): Manifest {
  const [namespace, name] = [textAt(object, 'metadata', 'namespace'), textAt(object, 'metadata', 'name')]
  const annotations = Object.fromEntries(Object.entries(textsAt(object, 'metadata', 'annotations')).filter(([key]) => key.startsWith('liburna.io/')))
  return {
    origin: `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`,
    object: { apiVersion, kind, metadata: { name, ...namespace !== '' && { namespace }, annotations }, spec: valueAt(object, 'spec') },
  }
}
