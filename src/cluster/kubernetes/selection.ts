/**
 * Which pods are captured, and what of their traffic is not. Pure; the table for people is in daemonset/README.md.
 *
 * Who may label a namespace decides that its pods are captured. Who may make pods in it can open holes for its own
 * pods by annotation, unless the setting `kubernetes.podAnnotations` is off.
 */

import { parseCidr } from '../../model/cidr.ts'
import type { Cidr } from '../../model/cidr.ts'
import type { Labels } from '../../model/labels.ts'
import type { Exclusions } from '../source.ts'
import type { PodFacts } from './pod-facts.ts'

/** On a namespace, `true`: its pods are captured. On a pod, `false`: this one is not. */
export const enforceKey = 'liburna.io/enforce'
const inboundPortsKey = 'liburna.io/exclude-inbound-ports'
const outboundPortsKey = 'liburna.io/exclude-outbound-ports'
const cidrsKey = 'liburna.io/exclude-cidrs'

/** More than anybody writes by hand. */
const mostItems = 100

export interface SelectionOptions {
  /** Whether annotations of pods are heeded. */
  readonly podAnnotations: boolean
}

export interface Selection {
  readonly exclude: Exclusions
  /** Annotations that cannot be read, one line each. What they ask for is not granted. */
  readonly problems: readonly string[]
}

const nothing: Exclusions = { inboundPorts: [], outboundPorts: [], cidrs: [] }

export function isEnforced (namespaceLabels: Labels): boolean {
  return namespaceLabels[enforceKey] === 'true'
}

/** `undefined` when the pod is not to be captured. */
export function select (pod: PodFacts, namespaceLabels: Labels, { podAnnotations }: SelectionOptions): Selection | undefined {
  if (pod.hostNetwork || pod.isFinished || !isEnforced(namespaceLabels)) return undefined
  if (!podAnnotations) return { exclude: nothing, problems: [] }
  if (pod.annotations[enforceKey] === 'false') return undefined
  const problems: string[] = []
  const list = <T>(key: string, expected: string, read: (text: string) => T | undefined): readonly T[] => {
    const items = (pod.annotations[key] ?? '').split(',').map(item => item.trim()).filter(item => item !== '')
    const values = items.map(read)
    const good = values.filter(value => value !== undefined)
    if (good.length === items.length && items.length <= mostItems) return good
    problems.push(`annotation ${key} is ${JSON.stringify(pod.annotations[key]?.slice(0, 80))}; expected ${expected}, at most ${mostItems} with commas between`)
    return []
  }
  const enforce = pod.annotations[enforceKey]
  if (enforce !== undefined && enforce !== 'true') problems.push(`annotation ${enforceKey} is ${JSON.stringify(enforce.slice(0, 80))}; expected "true" or "false"`)
  const exclude = {
    inboundPorts: list(inboundPortsKey, 'port numbers', readPort),
    outboundPorts: list(outboundPortsKey, 'port numbers', readPort),
    cidrs: list<Cidr>(cidrsKey, 'CIDRs such as 10.0.0.0/8', parseCidr),
  }
  return { exclude, problems }
}

function readPort (text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}
