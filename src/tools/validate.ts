/**
 * What is wrong with a set of manifests, and what is right but will probably not do what its author wants.
 * Everything but errors is said only where the manifests are enough to know.
 */

import { formatRef, showRef } from '../policy/index.ts'
import { isRecord } from './evaluate.ts'
import { inventoryOfFacts, manifestsOfFacts } from './facts.ts'
import { policyFindings } from './findings.ts'
import { takeInventory } from './inventory.ts'
import { counted, printable } from './table.ts'
import type { PolicyRef } from '../policy/index.ts'
import type { ToolContext } from './context.ts'
import type { Inventory } from './inventory.ts'

/** An object and where a person finds it. */
export interface PlacedObject {
  readonly origin: string
  readonly object: unknown
}

export interface ValidationLine {
  /** `error`: refused by Kubernetes and by the agent. `warning`: takes part. */
  readonly level: 'error' | 'warning'
  /** File and line; empty where there is none. */
  readonly origin: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly path: string
  readonly reason: string
}

export interface Validation {
  readonly policies: number
  readonly workloads: number
  /** Sorted by origin; errors and warnings among each other. */
  readonly lines: readonly ValidationLine[]
}

/** `problems` are files that could not be read; each is an error of its own. */
export function validateManifests (manifests: readonly PlacedObject[], problems: readonly string[], context: ToolContext): Validation {
  return validationOf(takeInventory(manifests.map(({ object }) => object), context), manifests, problems)
}

/**
 * The same of what an agent enforces. It knows the workloads of its own node only, so nothing is said of policies that
 * select or match nobody. Throws ToolError `input-invalid` when these are no facts.
 */
export function validateFacts (facts: unknown, context: ToolContext): Validation {
  const inventory = inventoryOfFacts(facts, context)
  const told = validationOf({ ...inventory, workloads: [], namespaces: {} }, manifestsOfFacts(facts), [])
  return { ...told, workloads: inventory.workloads.length }
}

function validationOf (inventory: Inventory, manifests: readonly PlacedObject[], problems: readonly string[]): Validation {
  const origins = originsOf(manifests)
  const place = (level: ValidationLine['level'], { kind, namespace, name, path, reason }: Omit<ValidationLine, 'level' | 'origin'>): ValidationLine => {
    return { level, origin: origins.get(keyOf({ kind, namespace, name })) ?? '', kind, namespace, name, path, reason }
  }
  const lines = [
    ...problems.map((reason): ValidationLine => ({ level: 'error', origin: '', kind: '', namespace: '', name: '', path: '', reason })),
    ...inventory.invalid.map(one => place('error', one)),
    ...[...inventory.findings, ...policyFindings(inventory)].map(one => place('warning', one)),
  ]
  return { policies: inventory.policies.length, workloads: inventory.workloads.length, lines: lines.sort(compareLines) }
}

/** Objects of one name are told with all places, since each of them is one too many. */
function originsOf (manifests: readonly PlacedObject[]): Map<string, string> {
  const places = Map.groupBy(manifests, ({ object }) => keyOf(refOf(object)))
  return new Map([...places].map(([key, same]) => [key, same.map(({ origin }) => origin).join(' and ')]))
}

/** A name with a number was given to one of several objects of one name; a namespace that is not told is `default`. */
function keyOf ({ kind, namespace, name }: PolicyRef): string {
  return formatRef({ kind, namespace: namespace === 'default' ? '' : namespace, name: name.replace(/#\d+$/, '') })
}

function refOf (object: unknown): PolicyRef {
  const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {}
  const text = (value: unknown): string => typeof value === 'string' ? value : ''
  return { kind: isRecord(object) ? text(object['kind']) : '', namespace: text(metadata['namespace']), name: text(metadata['name']) }
}

/** By file, then by line as a number. */
function compareLines (a: ValidationLine, b: ValidationLine): number {
  return a.origin.localeCompare(b.origin, 'en', { numeric: true }) || a.level.localeCompare(b.level)
}

/** One line each, as compilers write them. */
export function validationText ({ policies, workloads, lines }: Validation): string {
  const told = lines.map(({ level, origin, kind, namespace, name, path, reason }) => {
    const object = kind === '' ? '' : `${showRef({ kind, namespace, name })}${path === '' ? '' : ` ${path}`}: `
    return `${origin === '' ? '' : `${origin}: `}${level}: ${object}${reason}`
  })
  const count = (level: string): number => lines.filter(line => line.level === level).length
  const sum = `${counted(policies, 'policy', 'policies')}, ${counted(workloads, 'workload')}: ${counted(count('error'), 'error')}, ${counted(count('warning'), 'warning')}`
  return [...told, sum].map(line => `${printable(line)}\n`).join('')
}
