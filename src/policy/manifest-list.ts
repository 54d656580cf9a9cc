/** Opens `kind: List` and `kind: …List`, as `kubectl get -o yaml` writes them. */

import { Place } from './reader.ts'

/** Far deeper than anybody writes, and far from the end of the stack. */
const maxDepth = 64

export function openLists (objects: readonly unknown[], depth = 0): unknown[] {
  return objects.flatMap(object => {
    const place = new Place(object)
    const kind = place.at('kind').value
    const list = typeof kind === 'string' && kind.endsWith('List') ? place.at('items').value : undefined
    return Array.isArray(list) && depth < maxDepth ? openLists(list, depth + 1) : [object]
  })
}
