/**
 * Flow records, as agents write them, gathered into what was observed: who connected to whom on which port, how often,
 * with what verdict. Records of both ends of a connection count as one.
 */

import { parseSocketAddress } from '../model/address.ts'
import { formatLabels } from '../model/labels.ts'
import { parseSpiffeId } from '../model/spiffe-id.ts'
import { inputInvalid } from './error.ts'
import { isRecord } from './evaluate.ts'
import type { IpAddress } from '../model/address.ts'
import type { FlowRecord } from '../model/flow.ts'
import type { Labels } from '../model/labels.ts'
import type { SpiffeId } from '../model/spiffe-id.ts'
import type { ClusterName } from '../policy/index.ts'

export interface ObservedWorkload {
  readonly kind: 'workload'
  readonly spiffeId: SpiffeId
  readonly cluster: string
  readonly name: string
  /** All labels that were told. */
  readonly labels: Labels
  /** Those that all pods of one controller have in common. */
  readonly stableLabels: Labels
}

export interface ObservedAddress {
  readonly kind: 'external'
  readonly ip: IpAddress
}

export type ObservedEnd = ObservedWorkload | ObservedAddress
export type ObservedVerdict = FlowRecord['verdict']

/** All connections between two kinds of ends on one port. */
export interface Observation {
  readonly source: ObservedEnd
  readonly destination: ObservedEnd
  readonly port: number
  /** Connections by verdict; each was seen at one end or at both. */
  readonly counts: Readonly<Record<ObservedVerdict, number>>
  /** RFC 3339 times of the first and the last. */
  readonly first: string
  readonly last: string
  /** Ids of up to three of them. */
  readonly examples: readonly string[]
}

interface Gathered extends Omit<Observation, 'counts'> {
  readonly seen: Record<ObservedVerdict, { inbound: number, outbound: number }>
}

/** Labels that tell pods of one controller apart, besides those that are not signed at all. */
const labelsOfOnePod = [
  'statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-name', 'job-name', 'batch.kubernetes.io/job-completion-index',
]
const mostExamples = 3
const verdicts = ['allowed', 'denied', 'undecided'] as const satisfies readonly ObservedVerdict[]
const directions = ['inbound', 'outbound'] as const

export class Observations {
  readonly #unsigned: readonly string[]
  readonly #gathered = new Map<string, Gathered>()
  #records = 0
  #skipped = 0

  /** `unsignedLabels` are told by one end only, so they tell nobody apart. */
  constructor (unsignedLabels: readonly string[]) {
    this.#unsigned = unsignedLabels
  }

  /** How many records were read, and how many of them were of a pod's connections to itself. */
  get records (): number { return this.#records }
  get skipped (): number { return this.#skipped }

  /** Takes a parsed record. Throws ToolError `input-invalid` naming the field for what is none. */
  add (value: unknown): void {
    if (!isRecord(value)) throw inputInvalid('a flow record is an object')
    this.#records++
    if (value['peer'] === 'loopback') { this.#skipped++; return }
    const [source, destination] = [this.#end(value, 'source'), this.#end(value, 'destination')]
    const [verdict, direction] = [choiceIn(value, 'verdict', verdicts), choiceIn(value, 'direction', directions)]
    const [port, time, id] = [portOf(value), textIn(value, 'time'), textIn(value, 'flow')]
    const key = `${keyOf(source)} > ${keyOf(destination)} ${port}`
    const known = this.#gathered.get(key) ?? { source, destination, port, first: time, last: time, examples: [], seen: noneSeen() }
    known.seen[verdict][direction]++
    this.#gathered.set(key, {
      ...known,
      source: fuller(known.source, source), destination: fuller(known.destination, destination),
      first: time < known.first ? time : known.first, last: time > known.last ? time : known.last,
      examples: known.examples.length < mostExamples && !known.examples.includes(id) ? [...known.examples, id] : known.examples,
    })
  }

  /** Sorted by source, destination and port. */
  all (): Observation[] {
    return [...this.#gathered.keys()].sort().flatMap(key => this.#gathered.get(key) ?? []).map(({ seen, ...rest }) => {
      const count = (verdict: ObservedVerdict): number => Math.max(seen[verdict].inbound, seen[verdict].outbound)
      return { ...rest, counts: { allowed: count('allowed'), denied: count('denied'), undecided: count('undecided') } }
    })
  }

  #end (record: Record<string, unknown>, key: 'source' | 'destination'): ObservedEnd {
    const end = record[key]
    if (!isRecord(end)) throw inputInvalid(`${key}: an object is expected`)
    const uri = textIn(end, 'spiffeId', key)
    if (uri === '') return { kind: 'external', ip: addressIn(end, 'address', key).ip }
    const spiffeId = parseSpiffeId(uri)
    if (spiffeId === undefined) throw inputInvalid(`${key}.spiffeId: a SPIFFE ID is expected`)
    const labels = labelsIn(end, key)
    return { kind: 'workload', spiffeId, cluster: textIn(end, 'cluster', key), name: textIn(end, 'name', key), labels, stableLabels: stableLabelsOf(labels, this.#unsigned) }
  }
}

/** Those that all pods of one controller have in common. */
export function stableLabelsOf (labels: Labels, unsignedLabels: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => !unsignedLabels.includes(label) && !labelsOfOnePod.includes(label)))
}

/** The same text for all pods that policies could not sensibly tell apart. */
export function keyOf (end: ObservedEnd): string {
  return end.kind === 'external' ? end.ip.text : keyOfPod(end)
}

export function keyOfPod ({ spiffeId: { trustDomain, namespace, serviceAccount }, cluster, stableLabels }: Pick<ObservedWorkload, 'spiffeId' | 'cluster' | 'stableLabels'>): string {
  return `${trustDomain}/${cluster}/${namespace}/${serviceAccount}/${formatLabels(stableLabels)}`
}

/** For people: `shop/app=web`, `shop/app=web of west` for another cluster than `home`, or the address. */
export function describeEnd (end: ObservedEnd, home: ClusterName): string {
  if (end.kind === 'external') return end.ip.text
  const { spiffeId: { trustDomain, namespace, serviceAccount }, cluster, stableLabels } = end
  const labels = formatLabels(stableLabels)
  const place = trustDomain !== home.trustDomain ? ` of ${cluster} in ${trustDomain}` : cluster !== home.cluster ? ` of ${cluster}` : ''
  return `${namespace}/${labels === '' ? `serviceAccount:${serviceAccount}` : labels}${place}`
}

/** The cluster of most of the pods; `undefined` without pods. */
export function homeOf (observations: readonly Observation[]): ClusterName | undefined {
  const clusters = endsOf(observations).flatMap(end => end.kind === 'workload' ? [{ trustDomain: end.spiffeId.trustDomain, cluster: end.cluster }] : [])
  const counted = [...Map.groupBy(clusters, ({ trustDomain, cluster }) => `${trustDomain} ${cluster}`).values()].sort((a, b) => b.length - a.length)
  return counted[0]?.[0]
}

/** Every end as often as it was seen. */
export function endsOf (observations: readonly Observation[]): ObservedEnd[] {
  return observations.flatMap(({ source, destination }) => [source, destination])
}

function fuller (a: ObservedEnd, b: ObservedEnd): ObservedEnd {
  const size = (end: ObservedEnd): number => end.kind === 'workload' ? Object.keys(end.labels).length : 0
  return size(b) > size(a) ? b : a
}

function noneSeen (): Gathered['seen'] {
  return { allowed: { inbound: 0, outbound: 0 }, denied: { inbound: 0, outbound: 0 }, undecided: { inbound: 0, outbound: 0 } }
}

/** Where it arrived, as far as that is known. */
function portOf (record: Record<string, unknown>): number {
  const key = textIn(record, 'realDestination') === '' ? 'originalDestination' : 'realDestination'
  return addressIn(record, key).port
}

function textIn (record: Record<string, unknown>, key: string, inside = ''): string {
  const value = record[key]
  if (typeof value !== 'string') throw inputInvalid(`${inside === '' ? '' : `${inside}.`}${key}: a text is expected`)
  return value
}

function addressIn (record: Record<string, unknown>, key: string, inside = ''): { ip: IpAddress, port: number } {
  const address = parseSocketAddress(textIn(record, key, inside))
  if (address === undefined) throw inputInvalid(`${inside === '' ? '' : `${inside}.`}${key}: an address and port such as 10.0.0.1:80 is expected`)
  return address
}

function choiceIn<T extends string> (record: Record<string, unknown>, key: string, choices: readonly T[]): T {
  const found = choices.find(choice => choice === record[key])
  if (found === undefined) throw inputInvalid(`${key}: one of ${choices.join(', ')} is expected`)
  return found
}

function labelsIn (end: Record<string, unknown>, inside: string): Labels {
  const labels = end['labels']
  if (!isRecord(labels)) throw inputInvalid(`${inside}.labels: an object is expected`)
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => {
    if (typeof value !== 'string') throw inputInvalid(`${inside}.labels.${key}: a text is expected`)
    return [key, value]
  }))
}
