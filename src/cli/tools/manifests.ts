/** Where the tools have their manifests from: a folder of files, or a running agent. */

import { ClusterError, readManifestTree } from '../../cluster/index.ts'
import { takeInventory } from '../../tools/index.ts'
import type { Inventory, ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

/** Throws ClusterError when any file below `path` cannot be used: an answer from half of the policies could be wrong. */
export function readObjects (path: string): unknown[] {
  const { manifests, problems } = readManifestTree(path)
  if (problems.length > 0) throw new ClusterError(problems.join('\n'), { code: 'manifest-invalid' })
  return manifests.map(({ object }) => object)
}

/** The inventory of a folder. What is invalid in it is told to people; it keeps its subjects closed, as in the agent. */
export function inventoryOf (path: string, context: ToolContext, parts: ToolParts): Inventory {
  const inventory = takeInventory(readObjects(path), context)
  warnOfInvalid(inventory, parts)
  return inventory
}

export function warnOfInvalid ({ invalid }: Inventory, parts: ToolParts): void {
  for (const { kind, namespace, name, path, reason } of invalid) {
    parts.warn(`warning: ${kind} ${namespace === '' ? '' : `${namespace}/`}${name} is invalid: ${path}: ${reason}\n`)
  }
}
