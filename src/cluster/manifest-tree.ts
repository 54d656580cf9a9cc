/** All Kubernetes objects below a folder, read once, for tools: what cannot be read is told, and the rest is there. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../lib/error.ts'
import { ClusterError } from './error.ts'
import { parsePolicyFile } from './policy-file.ts'
import { readTextFile } from './yaml.ts'
import type { Manifest } from './source.ts'

export interface ManifestTree {
  /** In the order of file names. */
  readonly manifests: readonly Manifest[]
  /** One line for each file that cannot be used; it begins with the place. */
  readonly problems: readonly string[]
}

const manifestName = /^[^.].*\.(?:ya?ml|json)$/i
/** Folders below folders; deeper ones are a mistake, such as a mount of itself. */
const mostDepth = 32

/**
 * Reads one file, or the files `*.yaml`, `*.yml` and `*.json` of a folder and of the folders in it; names that begin
 * with a dot are passed over, and links to folders are not followed. Throws ClusterError `file-unreadable` when `path`
 * itself cannot be read.
 */
export function readManifestTree (path: string): ManifestTree {
  const manifests: Manifest[] = []
  const problems: string[] = []
  for (const file of filesIn(path)) {
    try {
      for (const manifest of parsePolicyFile(readTextFile(file), file, () => undefined)) manifests.push(manifest)
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  return { manifests, problems }
}

function filesIn (path: string): string[] {
  try {
    return statSync(path).isDirectory() ? filesBelow(path, 0) : [path]
  } catch (error) {
    throw new ClusterError(`${path}: cannot be read`, { code: 'file-unreadable', cause: error })
  }
}

function filesBelow (folder: string, depth: number): string[] {
  if (depth > mostDepth) return []
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name < b.name ? -1 : 1)
  return entries.flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name.startsWith('.') ? [] : filesBelow(path, depth + 1)
    return manifestName.test(entry.name) ? [path] : []
  })
}
