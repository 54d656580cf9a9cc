/**
 * Which pods are captured, what of their traffic is not, and how the rest is carried. Pure; the table for people is in
 * daemonset/README.md.
 *
 * Who may label a namespace decides that its pods are captured. Who may make pods in it can open holes for its own
 * pods by annotation, unless the setting `kubernetes.podAnnotations` is off.
 */

import { parseCidr } from '../../model/cidr.ts'
import { modeOf } from '../../model/mode.ts'
import type { Cidr } from '../../model/cidr.ts'
import type { Labels } from '../../model/labels.ts'
import type { AskedMode, SecureMode } from '../../model/mode.ts'
import type { Exclusions } from '../source.ts'
import type { PodFacts } from './pod-facts.ts'

/** On a namespace, `true`: its pods are captured. On a pod, `false`: this one is not. */
export const enforceKey = 'liburna.io/enforce'
/** On a namespace a label, on a pod an annotation: `encrypt` or `authenticate`. */
const modeKey = 'liburna.io/mode'
const inboundPortsKey = 'liburna.io/exclude-inbound-ports'
const outboundPortsKey = 'liburna.io/exclude-outbound-ports'
const cidrsKey = 'liburna.io/exclude-cidrs'

/** More than anybody writes by hand. */
const mostItems = 100

export interface SelectionOptions {
  /** Whether annotations of pods are heeded that ask for less protection. */
  readonly podAnnotations: boolean
  /** What the node says of all its pods. */
  readonly mode: AskedMode
}

export interface Selection {
  readonly exclude: Exclusions
  readonly mode: SecureMode
  /** Labels and annotations that cannot be read, one line each. What they ask for is not granted. */
  readonly problems: readonly string[]
}

const nothing: Exclusions = { inboundPorts: [], outboundPorts: [], cidrs: [] }

export function isEnforced (namespaceLabels: Labels): boolean {
  return namespaceLabels[enforceKey] === 'true'
}

/** `undefined` when the pod is not to be captured. */
export function select (pod: PodFacts, namespaceLabels: Labels, options: SelectionOptions): Selection | undefined {
  if (pod.hostNetwork || pod.isFinished || !isEnforced(namespaceLabels)) return undefined
  const problems: string[] = []
  const mode = selectMode(pod, namespaceLabels, options, problems)
  if (!options.podAnnotations) return { exclude: nothing, mode, problems }
  if (pod.annotations[enforceKey] === 'false') return undefined
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
  return { exclude, mode, problems }
}

/** What cannot be read asks for `encrypt`: whoever wrote it may have meant that. */
function selectMode (pod: PodFacts, namespaceLabels: Labels, { podAnnotations, mode }: SelectionOptions, problems: string[]): SecureMode {
  const asked = (what: string, written: string | undefined): AskedMode => {
    if (written === undefined || written === 'encrypt' || written === 'authenticate') return written ?? 'unset'
    problems.push(`${what} ${modeKey} is ${JSON.stringify(written.slice(0, 80))}; expected "encrypt" or "authenticate"`)
    return 'encrypt'
  }
  const ofPod = asked('annotation', pod.annotations[modeKey])
  return modeOf([mode, asked('label of the namespace', namespaceLabels[modeKey]), ofPod === 'authenticate' && !podAnnotations ? 'unset' : ofPod])
}

function readPort (text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}
