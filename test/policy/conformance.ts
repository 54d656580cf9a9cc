/**
 * Reads the policy cases that others wrote, and turns each into checks. Whatever it does not understand is an error:
 * a case that is not run must never look like one that passed.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { judgeFlow, parseFlow } from '../../src/policy/index.ts'
import { noon, setOf } from './world.ts'
import type { FlowJudgement } from '../../src/policy/index.ts'

const folder = new URL('../../../shared/conformance/', import.meta.url)
const home = { trustDomain: 'east.example', cluster: 'east' }

type Json = Record<string, unknown>

/** The parsed file; `undefined`, with the reason printed, when the folder is not there. */
export function readCases (file: string): Json | undefined {
  if (!existsSync(folder)) return undefined
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Json
}

/** What the reader runs of each file; the rest is prose about the data. */
const sections: Readonly<Record<string, readonly string[]>> = {
  'k8s-e2e-netpol.json': ['topology', 'cases'],
  'conformance-cnp-v1alpha2.json': ['base', 'cases'],
  'recipes.json': ['recipes', 'grids', 'gridNotes'],
  'k8s-label-selectors.json': ['stringSelectors', 'grid', 'labelKeys', 'labelSets', 'labelValues', 'namespaceNames'],
  'k8s-networkpolicy-validation.json': ['valid', 'invalid'],
}
const prose = ['$about', 'licence', 'source', 'format', 'semantics', 'legend', 'notes', 'counts', 'tableFormat', 'derivedFullGrid']

/** Files, and sections of files, that nobody runs. */
export function unknownSections (): string[] {
  return readdirSync(folder).filter(file => file.endsWith('.json')).flatMap(file => {
    const known = sections[file]
    if (known === undefined) return [file]
    return Object.keys(readCases(file) ?? {}).filter(section => !known.includes(section) && !prose.includes(section)).map(section => `${file} ${section}`)
  })
}

/** Fails on a key that this reader does not know. */
export function keysOnly (value: unknown, known: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`not an object: ${JSON.stringify(value)}`)
  for (const key of Object.keys(value)) if (!known.includes(key)) throw new Error(`a case uses ${key}, which the reader does not know`)
  return value as Json // asked above
}

export function listOf (value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error(`not a list: ${JSON.stringify(value)}`)
  return value
}

export function textOf (value: unknown): string {
  if (typeof value !== 'string') throw new Error(`not a text: ${JSON.stringify(value)}`)
  return value
}

/** What a cell of a grid states. `?` (no statement) is only known from grids that the file itself calls vacuous. */
export function cellOf (rows: unknown, i: number, j: number, { vacuous = false } = {}): 'allowed' | 'blocked' | 'nothing' {
  const cell = textOf(listOf(rows)[i])[j] ?? ''
  if (cell === '.') return 'allowed'
  if (cell === 'X') return 'blocked'
  if (cell === '#' || cell === 'N' || (cell === '?' && vacuous)) return 'nothing'
  throw new Error(`a grid has the cell ${JSON.stringify(cell)}, which the reader does not know`)
}

export interface World {
  readonly namespaces: Json
  /** Endpoints in the form that the offline tools take, by `namespace/name`. */
  readonly pods: ReadonlyMap<string, Json>
}

/** Pods as any of the files writes them. */
export function worldOf (namespaces: unknown, pods: unknown): World {
  const spaces = namespaces as Json
  const named = listOf(pods).map((value): [string, Json] => {
    const pod = keysOnly(value, ['namespace', 'name', 'workload', 'labels', 'ip', 'ports', 'listen', 'hostNetwork', 'nodeLabels'])
    const key = `${textOf(pod['namespace'])}/${textOf(pod['name'])}`
    const { workload: _, listen: __, ports, ...rest } = pod
    if (!(textOf(pod['namespace']) in spaces)) throw new Error(`${key} is in a namespace that is not there`)
    return [key, { ...rest, namespaceLabels: spaces[textOf(pod['namespace'])], ports: listOf(ports ?? []).map(portOf) }]
  })
  return { namespaces: spaces, pods: new Map(named) }
}

function portOf (value: unknown): Json {
  const { containerPort, port, ...rest } = keysOnly(value, ['name', 'port', 'containerPort', 'protocol'])
  return { ...rest, port: port ?? containerPort }
}

/** The world of one step of the e2e tables: every pod of the topology serves every port on every protocol of the case. */
export function e2eWorld (podIPs: unknown, one: Json, step: Json): World {
  const overrides = (step['podLabelOverrides'] ?? {}) as Record<string, object>
  const labels = (step['namespaceLabels'] ?? {}) as Record<string, object>
  const ports = listOf(one['ports']).flatMap(port => listOf(one['protocols']).map(protocol => ({ name: `serve-${String(port)}-${textOf(protocol).toLowerCase()}`, port, protocol })))
  const pods = Object.entries(podIPs as Record<string, string>).map(([key, ip]) => { // a map of texts in the file
    const [namespace = '', name = ''] = key.split('/')
    return { namespace, name, ip, ports, labels: overrides[key] ?? { pod: name } }
  })
  return worldOf({ x: {}, y: {}, z: {}, ...labels }, pods)
}

/** `namespace/name`, or `external:IP`. */
export function endpointOf (world: World, name: string): Json {
  if (name.startsWith('external:')) return { external: name.slice('external:'.length) }
  const pod = world.pods.get(name)
  if (pod === undefined) throw new Error(`no pod ${name}`)
  return pod
}

/** Asks one connection of one set; the endpoints go through the same reader as the offline tools'. */
export function judge (set: ReturnType<typeof setOf>, source: Json, destination: Json, protocol: unknown, port: unknown): FlowJudgement {
  return judgeFlow(set, parseFlow({ source, destination, protocol, port }, home), noon)
}

export { setOf }
