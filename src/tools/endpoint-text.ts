/**
 * Endpoints as people write them on a command line:
 *
 *     shop/web                     the workload of that name in the manifests
 *     Deployment:shop/web          the same, where several kinds have one of that name
 *     shop/app=web,tier=front      a workload with these labels in namespace shop, which need not exist
 *     203.0.113.7                  an address outside
 *     {"namespace": "shop", …}     JSON, as `evaluate` takes it
 */

import { parseIp } from '../model/address.ts'
import { messageOf } from '../lib/error.ts'
import { nearest } from '../lib/nearest.ts'
import { parseEndpoint, PolicyError } from '../policy/index.ts'
import { inputInvalid, ToolError } from './error.ts'
import { withNamespaceLabels } from './evaluate.ts'
import type { Labels } from '../model/labels.ts'
import type { NamedPort } from '../model/workload.ts'
import type { Endpoint, ManifestWorkload } from '../policy/index.ts'
import type { Inventory } from './inventory.ts'

/** An endpoint with a name to show and the ports that are known of it. */
export interface NamedEndpoint {
  readonly name: string
  readonly endpoint: Endpoint
  /** Declared container ports; empty where none are known. */
  readonly ports: readonly NamedPort[]
}

/** `Deployment shop/web`. */
export function nameOfWorkload ({ kind, endpoint: { identity: { attributes: { namespace, name } } } }: ManifestWorkload): string {
  return `${kind} ${namespace}/${name}`
}

/** Throws ToolError: `workload-unknown`, or `input-invalid` for a text that is none of the forms. */
export function resolveEndpoint (text: string, inventory: Inventory): NamedEndpoint {
  const trimmed = text.trim()
  const ip = parseIp(trimmed)
  if (ip !== undefined) return { name: ip.text, endpoint: { kind: 'external', ip, domains: [] }, ports: [] }
  if (trimmed.startsWith('{')) return fromJson(trimmed, inventory)
  if (trimmed.includes('=')) return fromLabels(trimmed, inventory)
  return fromName(trimmed, inventory.workloads)
}

function fromJson (text: string, { namespaces, context }: Inventory): NamedEndpoint {
  let value: unknown
  try { value = JSON.parse(text) } catch (error) { throw inputInvalid(`endpoint ${text}: not JSON`, error) }
  const endpoint = read(withNamespaceLabels(value, namespaces), text, context.home)
  if (endpoint.kind === 'external') return { name: [...endpoint.domains, endpoint.ip?.text].filter(one => one !== undefined).join(' '), endpoint, ports: [] }
  const { attributes: { namespace, name, labels, ports } } = endpoint.identity
  return { name: name === '' ? `${namespace}/${pairsOf(labels)}` : `${namespace}/${name}`, endpoint, ports }
}

/** The first slash ends the namespace: label keys may have one too. Without one the namespace is `default`. */
function fromLabels (text: string, { namespaces, context }: Inventory): NamedEndpoint {
  const slash = text.indexOf('/')
  const hasNamespace = slash >= 0 && slash < text.indexOf('=') && !text.slice(0, slash).includes('.')
  const namespace = hasNamespace ? text.slice(0, slash) : 'default'
  const labels = Object.fromEntries((hasNamespace ? text.slice(slash + 1) : text).split(',').map(pair => pairOf(pair, text)))
  const endpoint = read(withNamespaceLabels({ namespace, labels }, namespaces), text, context.home)
  return { name: `${namespace}/${pairsOf(labels)}`, endpoint, ports: [] }
}

function pairOf (pair: string, text: string): [string, string] {
  const match = /^([^=]+)=([^=]*)$/.exec(pair.trim())
  if (match === null) throw inputInvalid(`endpoint ${text}: labels are written namespace/key=value,key=value`)
  return [match[1] ?? '', match[2] ?? '']
}

function pairsOf (labels: Labels): string {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(',')
}

function read (value: unknown, text: string, home: Inventory['context']['home']): Endpoint {
  try {
    return parseEndpoint(value, home)
  } catch (error) {
    if (error instanceof PolicyError) throw inputInvalid(`endpoint ${text}: ${messageOf(error)}`, error)
    throw error
  }
}

function fromName (text: string, workloads: readonly ManifestWorkload[]): NamedEndpoint {
  const [name = '', kind] = text.split(':').reverse()
  const wanted = name.includes('/') ? name : `default/${name}`
  const found = workloads.filter(workload => keyOf(workload) === wanted && (kind === undefined || workload.kind === kind))
  const [first, second] = found
  if (first === undefined) throw unknown(text, wanted, workloads)
  if (second !== undefined) throw new ToolError(`${text} is ${found.map(nameOfWorkload).join(' and ')}: write ${first.kind}:${wanted}`, { code: 'workload-unknown' })
  return { name: nameOfWorkload(first), endpoint: first.endpoint, ports: first.ports }
}

function keyOf ({ endpoint: { identity: { attributes: { namespace, name } } } }: ManifestWorkload): string {
  return `${namespace}/${name}`
}

function unknown (text: string, wanted: string, workloads: readonly ManifestWorkload[]): ToolError {
  const guess = nearest(wanted, workloads.map(keyOf))
  const help = guess === undefined ? 'an endpoint is namespace/name, namespace/label=value, an IP address or JSON' : `did you mean ${guess}?`
  return new ToolError(`${text}: no such workload is known; ${help}`, { code: 'workload-unknown' })
}
