/**
 * The policy cases that others wrote, as documents of `liburna evaluate` with what has to come out. Whatever this does
 * not understand is an error: a case that is not asked must never look like one that passed.
 */

import { cellOf, e2eWorld, endpointOf, keysOnly, listOf, readCases, textOf, worldOf } from '../policy/conformance.ts'
import type { World } from '../policy/conformance.ts'

type Json = Record<string, unknown>

/** One flow and what is stated of it; absent where nothing is stated. */
interface Expected {
  readonly allowed?: boolean
  readonly egress?: boolean
  readonly ingress?: boolean
}

export interface Case {
  readonly name: string
  readonly document: object
  readonly flows: readonly Expected[]
  /** Whether the manifests have to be refused. */
  readonly invalid: boolean
}

/** Cases that cannot be said to `evaluate`, and why; each is counted by the test. */
export const notDocuments = {
  'selector null': 'in policies an absent selector has meanings of its own',
  'selector with > or <': 'only the text form has these operators',
}

export interface Cases {
  readonly cases: readonly Case[]
  /** How many were left out, for each of `notDocuments`. */
  readonly left: Readonly<Record<keyof typeof notDocuments, number>>
}

/** `undefined` when the folder is not there. */
export function allCases (): Cases | undefined {
  if (readCases('recipes.json') === undefined) return undefined
  const left = { 'selector null': 0, 'selector with > or <': 0 }
  return { cases: [...e2eCases(), ...clusterPolicyCases(), ...recipeCases(), ...gridCases(), ...textSelectorCases(left), ...selectorCases(left), ...nameCases(), ...validationCases()], left }
}

interface Asked extends Expected { readonly from: Json, readonly to: Json, readonly protocol: unknown, readonly port: unknown }

function flowCase (name: string, manifests: unknown, asked: readonly Asked[]): Case {
  const flows = asked.map(({ from, to, protocol, port }) => ({ source: from, destination: to, protocol, port }))
  return { name, document: { manifests: listOf(manifests), flows }, flows: asked, invalid: false }
}

function e2eCases (): Case[] {
  const file = readCases('k8s-e2e-netpol.json') ?? {}
  const topology = keysOnly(file['topology'], ['namespaces', 'pods', 'containerPorts', 'podIPs', 'podIPsNote'])
  return listOf(file['cases']).flatMap(value => {
    const one = keysOnly(value, ['name', 'group', 'tcp', 'pods', 'ports', 'protocols', 'steps'])
    return listOf(one['steps']).flatMap((stepValue, i) => {
      const step = keysOnly(stepValue, ['policies', 'probe', 'expected', 'derivedFullGrid', 'by', 'namespaceLabels', 'podLabelOverrides'])
      const world = e2eWorld(topology['podIPs'], one, step)
      return [step['expected'], step['derivedFullGrid']].filter(grid => grid !== undefined)
        .map(grid => flowCase(`${textOf(one['name'])} step ${i}`, step['policies'], gridFlows(world, step['probe'], grid)))
    })
  })
}

function gridFlows (world: World, probe: unknown, grid: unknown): Asked[] {
  const { port, protocol } = keysOnly(probe, ['port', 'protocol'])
  const { order, rows } = keysOnly(grid, ['order', 'rows'])
  return pairs(listOf(order).map(textOf)).flatMap(([from, to, i, j]) => {
    const cell = cellOf(rows, i, j)
    return cell === 'nothing' ? [] : [{ from: endpointOf(world, from), to: endpointOf(world, to), protocol, port, allowed: cell === 'allowed' }]
  })
}

function pairs (names: readonly string[]): [string, string, number, number][] {
  return names.flatMap((from, i) => names.map((to, j): [string, string, number, number] => [from, to, i, j]))
}

function clusterPolicyCases (): Case[] {
  const file = readCases('conformance-cnp-v1alpha2.json') ?? {}
  const base = keysOnly(file['base'], ['namespaces', 'pods'])
  return listOf(file['cases']).flatMap(value => {
    const one = keysOnly(value, ['name', 'description', 'features', 'registeredUpstream', 'source', 'steps'])
    return listOf(one['steps']).map(stepValue => {
      const step = keysOnly(stepValue, ['run', 'policies', 'namespaces', 'probes'])
      const world = worldOf(step['namespaces'] ?? base['namespaces'], base['pods'])
      return flowCase(`${textOf(one['name'])}: ${textOf(step['run'])}`, step['policies'], listOf(step['probes']).map(probeValue => {
        const probe = keysOnly(probeValue, ['src', 'dst', 'protocol', 'port', 'expectedAllowed', 'upstreamComment'])
        return { from: endpointOf(world, podName(probe['src'])), to: endpointOf(world, podName(probe['dst'])), protocol: probe['protocol'], port: probe['port'], allowed: truth(probe['expectedAllowed']) }
      }))
    })
  })
}

function podName (value: unknown): string {
  const { namespace, pod } = keysOnly(value, ['namespace', 'pod'])
  return `${textOf(namespace)}/${textOf(pod)}`
}

function truth (value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Error(`not true or false: ${JSON.stringify(value)}`)
  return value
}

function recipeCases (): Case[] {
  return listOf(readCases('recipes.json')?.['recipes']).map(value => {
    const recipe = keysOnly(value, ['name', 'note', 'source', 'policies', 'namespaces', 'pods', 'probes'])
    const world = worldOf(recipe['namespaces'], recipe['pods'])
    return flowCase(textOf(recipe['name']), recipe['policies'], listOf(recipe['probes']).map(probeValue => {
      const probe = keysOnly(probeValue, ['src', 'dst', 'protocol', 'port', 'expectedAllowed', 'upstreamText'])
      return { from: endpointOf(world, textOf(probe['src'])), to: endpointOf(world, textOf(probe['dst'])), protocol: probe['protocol'], port: probe['port'], allowed: truth(probe['expectedAllowed']) }
    }))
  })
}

function gridCases (): Case[] {
  const file = readCases('recipes.json') ?? {}
  return listOf(file['grids']).map(value => {
    const grid = keysOnly(value, ['recipe', 'policies', 'namespaces', 'pods', 'probe', 'expected'])
    const { port, protocol } = keysOnly(grid['probe'], ['port', 'protocol'])
    const expected = keysOnly(grid['expected'], ['order', 'ingress', 'egress', 'combined'])
    const vacuous = textOf(grid['recipe']) in (file['gridNotes'] as object)
    const world = worldOf(grid['namespaces'], grid['pods'])
    const stated = (kind: string, key: string, i: number, j: number): Expected => {
      const cell = cellOf(expected[kind], i, j, { vacuous })
      return cell === 'nothing' ? {} : { [key]: cell === 'allowed' }
    }
    return flowCase(`recipe grid ${textOf(grid['recipe'])}`, grid['policies'], pairs(listOf(expected['order']).map(textOf)).map(([from, to, i, j]) => ({
      from: endpointOf(world, from), to: endpointOf(world, to), protocol, port,
      ...stated('combined', 'allowed', i, j), ...stated('egress', 'egress', i, j), ...stated('ingress', 'ingress', i, j),
    })))
  })
}

/** One policy that lets in who matches the selector; one flow for each set of labels. */
function selectorCase (name: string, selector: unknown, sets: readonly unknown[], matches: readonly unknown[]): Case {
  const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'np', namespace: 'shop' }, spec: { podSelector: {}, ingress: [{ from: [{ podSelector: selector }] }] } }
  return flowCase(name, [policy], sets.map((labels, i) => ({ from: { namespace: 'shop', name: 'client', labels }, to: { namespace: 'shop', name: 'server', labels: {} }, protocol: 'TCP', port: 80, allowed: truth(matches[i]) })))
}

function textSelectorCases (left: Record<keyof typeof notDocuments, number>): Case[] {
  return listOf(readCases('k8s-label-selectors.json')?.['stringSelectors']).flatMap(value => {
    const { selector, labels, matches } = keysOnly(value, ['selector', 'labels', 'matches'])
    const text = textOf(selector)
    if (/[<>]/.test(text)) { left['selector with > or <']++; return [] }
    return [selectorCase(`selector ${text}`, { matchExpressions: text.split(',').filter(part => part !== '').map(expressionOf) }, [labels], [matches])]
  })
}

function expressionOf (part: string): object {
  const match = /^(!?)([A-Za-z]+)(?:(!?=)([A-Za-z]+))?$/.exec(part)
  if (match === null) throw new Error(`a selector has ${part}, which the reader does not know`)
  const [, not, key, sign, value] = match
  if (sign === undefined) return { key, operator: not === '!' ? 'DoesNotExist' : 'Exists' }
  return { key, operator: sign === '=' ? 'In' : 'NotIn', values: [value] }
}

function selectorCases (left: Record<keyof typeof notDocuments, number>): Case[] {
  const file = readCases('k8s-label-selectors.json') ?? {}
  const sets = listOf(file['labelSets'])
  return listOf(file['grid']).flatMap(value => {
    const one = keysOnly(value, ['selector', 'matches', 'error'])
    const name = `selector ${JSON.stringify(one['selector'])}`
    if (one['selector'] === null) { left['selector null']++; return [] }
    if (one['error'] === undefined) return [selectorCase(name, one['selector'], sets, listOf(one['matches']))]
    return [{ ...selectorCase(name, one['selector'], [], []), invalid: true }]
  })
}

function nameCases (): Case[] {
  const file = readCases('k8s-label-selectors.json') ?? {}
  const policies: Record<string, (value: string) => object> = {
    labelKeys: key => ({ metadata: { name: 'np', namespace: 'shop' }, spec: { podSelector: { matchLabels: Object.fromEntries([[key, 'x']]) } } }),
    labelValues: label => ({ metadata: { name: 'np', namespace: 'shop' }, spec: { podSelector: { matchLabels: { app: label } } } }),
    namespaceNames: namespace => ({ metadata: { name: 'np', namespace }, spec: { podSelector: {} } }),
  }
  return Object.entries(policies).flatMap(([list, manifest]) => listOf(file[list]).map(item => {
    const { value, valid } = keysOnly(item, ['value', 'valid'])
    return { ...flowCase(`${list} ${JSON.stringify(value)}`, [{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...manifest(textOf(value)) }], []), invalid: !truth(valid) }
  }))
}

function validationCases (): Case[] {
  const file = readCases('k8s-networkpolicy-validation.json') ?? {}
  return ['valid', 'invalid'].flatMap(list => listOf(file[list]).map((value, i) => {
    const { manifest } = keysOnly(value, ['index', 'name', 'manifest'])
    return { ...flowCase(`${list} ${i}`, [manifest], []), invalid: list === 'invalid' }
  }))
}
