/** The policy objects of one file of YAML or JSON. Pure but for the reading. */

import { ClusterError } from './error.ts'
import { parseYaml } from './yaml.ts'
import type { Manifest } from './source.ts'
import type { YamlDocument, YamlPath } from './yaml.ts'

/** Says what is wrong with an object, in one line, or nothing. Policy knows; this folder only asks. */
export type CheckManifest = (object: unknown) => string | undefined

/**
 * All objects of the text: several documents, and lists (`kind: List`, `NetworkPolicyList`, …) taken apart.
 * Throws ClusterError; a file is used whole or not at all.
 */
export function parsePolicyFile (text: string, file: string, check: CheckManifest): Manifest[] {
  const manifests = parseYaml(text, file).flatMap(document => objectsOf(document, file))
  for (const { origin, object } of manifests) {
    const problem = check(object)
    if (problem !== undefined) throw new ClusterError(`${origin}: ${problem}`, { code: 'manifest-invalid' })
  }
  return manifests
}

function objectsOf (document: YamlDocument, file: string, path: YamlPath = [], value = document.value): Manifest[] {
  const origin = `${file}:${document.lineOf(path)}`
  const problem = shapeProblem(value)
  if (problem !== undefined) throw new ClusterError(`${origin}: ${problem}`, { code: 'manifest-invalid' })
  const items = itemsOf(value)
  if (items === undefined) return [{ origin, object: value }]
  return items.flatMap((item, index) => objectsOf(document, file, [...path, 'items', index], item))
}

function shapeProblem (value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected a Kubernetes object'
  for (const key of ['apiVersion', 'kind']) {
    if (typeof Reflect.get(value, key) !== 'string') return `expected a Kubernetes object: ${key} is missing or not text`
  }
  return undefined
}

/** The items of a list object, else `undefined`. */
function itemsOf (value: unknown): readonly unknown[] | undefined {
  // shapeProblem has seen that it is an object with these keys.
  const { kind, items } = value as { kind: string, items?: unknown }
  return kind.endsWith('List') && Array.isArray(items) ? items : undefined
}
