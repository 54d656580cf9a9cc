/** What every object has: a name, perhaps a namespace, and our annotation for dry runs. */

import { whyNotNamespace, whyNotSubdomain } from '../names.ts'
import type { PolicyRef } from '../normal-form.ts'
import type { Place } from '../reader.ts'

/** `liburna.io/enforcement: observe` on a policy of any kind makes it report what it would do and decide nothing. */
export const enforcementAnnotation = 'liburna.io/enforcement'

/** Reads the name of a namespaced object; without a namespace it is in `default`, as kubectl does. */
export function readNamespacedRef (object: Place, kind: string): PolicyRef {
  const place = object.at('metadata').at('namespace')
  const namespace = place.present ? place.text(whyNotNamespace) : 'default'
  return { kind, namespace: namespace ?? rawText(place), name: readName(object) }
}

/** Reads the name of a cluster-scoped object, which must not have a namespace. */
export function readClusterRef (object: Place, kind: string): PolicyRef {
  const namespace = object.at('metadata').at('namespace')
  if (namespace.present && namespace.value !== '') namespace.refuse(`${kind} is cluster-scoped`)
  return { kind, namespace: '', name: readName(object) }
}

/** Whether the annotation asks for a dry run; any value but `observe` and `enforce` is refused. */
export function readObserve (object: Place): boolean {
  const place = object.at('metadata').at('annotations').at(enforcementAnnotation)
  return place.present && place.oneOf(['observe', 'enforce']) === 'observe'
}

function readName (object: Place): string {
  const place = object.at('metadata').at('name')
  return place.text(whyNotSubdomain) ?? rawText(place)
}

/** What stands there, for messages; bounded. */
function rawText ({ value }: Place): string {
  return typeof value === 'string' ? value.slice(0, 253) : ''
}
