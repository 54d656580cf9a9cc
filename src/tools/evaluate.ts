/**
 * Many flows against many manifests: one document in, one line a flow out.
 *
 * A document is `{"manifests": […], "flows": […]}`; README.md has its form and that of the lines. Documents do not know
 * of each other.
 */

import { messageOf } from '../lib/error.ts'
import { formatRuleName } from '../model/verdict.ts'
import { compile, judgeFlow, openLists, parseFlow, parseManifests, PolicyError, workloadsIn } from '../policy/index.ts'
import { compileOptions } from './context.ts'
import { inputInvalid } from './error.ts'
import type { Labels } from '../model/labels.ts'
import type { Action, Decision } from '../model/verdict.ts'
import type { Flow, FlowJudgement, InvalidObject } from '../policy/index.ts'
import type { ToolContext } from './context.ts'

/** One thing wrong with one manifest. */
export interface InvalidLine {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly path: string
  readonly reason: string
}

/** What one end says of a flow. */
export interface DirectionLine {
  readonly verdict: Action
  readonly decidedBy: string
  readonly reason: string
}

/** What one flow comes to; the object is the output. */
export interface FlowLine {
  /** Both ends allow it. */
  readonly allowed: boolean
  readonly egress: DirectionLine
  readonly ingress: DirectionLine
  /** What it would come to if observing rules were enforced; `null` where none concerns it. */
  readonly observed: ObservedLine | null
}

export interface ObservedLine {
  readonly allowed: boolean
  readonly egress: Pick<DirectionLine, 'verdict' | 'decidedBy'>
  readonly ingress: Pick<DirectionLine, 'verdict' | 'decidedBy'>
}

export interface Evaluation {
  readonly invalid: readonly InvalidLine[]
  /** In the order of the document; each is judged when it is asked for. */
  readonly flows: Iterable<FlowLine>
}

const documentKeys = ['manifests', 'flows']

/** Judges one document. Throws ToolError `input-invalid` for a document that is not one; never for its manifests. */
export function evaluateDocument (document: unknown, context: ToolContext): Evaluation {
  const { manifests, flows } = readDocument(document)
  const { policies, invalid } = parseManifests(manifests, context)
  const { namespaces, invalid: others } = workloadsIn(manifests, context.home)
  const set = compile(policies, compileOptions(context))
  const asked = flows.map((flow, i) => readFlow(flow, `flows[${i}]`, namespaces, context))
  return {
    invalid: [...notObjects(manifests), ...others.filter(({ kind }) => kind === 'Namespace').map(invalidLine), ...invalid.map(invalidLine)],
    flows: { * [Symbol.iterator] () { for (const flow of asked) yield flowLine(judgeFlow(set, flow, context.nowMs)) } },
  }
}

/** What `judgeFlow` said, as the line that is printed. */
export function flowLine ({ allowed, egress, ingress }: FlowJudgement): FlowLine {
  return { allowed, egress: directionLine(egress), ingress: directionLine(ingress), observed: observedLine(egress, ingress) }
}

/** What is wrong, with the value that stands there in the reason. */
export function invalidLine ({ kind, namespace, name, path, value, reason }: InvalidObject): InvalidLine {
  return { kind, namespace, name, path, reason: value === '' ? reason : `${reason}, not ${value}` }
}

/** Endpoints that do not say the labels of their namespace have those of the manifest of it, where there is one. */
export function withNamespaceLabels (endpoint: unknown, namespaces: Readonly<Record<string, Labels>>): unknown {
  if (!isRecord(endpoint) || 'external' in endpoint || 'fqdn' in endpoint || (endpoint['namespaceLabels'] ?? undefined) !== undefined) return endpoint
  const namespace = endpoint['namespace'] ?? 'default'
  return typeof namespace === 'string' && Object.hasOwn(namespaces, namespace) ? { ...endpoint, namespaceLabels: namespaces[namespace] } : endpoint
}

export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readDocument (document: unknown): { manifests: readonly unknown[], flows: readonly unknown[] } {
  if (!isRecord(document)) throw inputInvalid('a document is an object: {"manifests": [...], "flows": [...]}')
  for (const key of Object.keys(document)) {
    if (!documentKeys.includes(key)) throw inputInvalid(`${key}: unknown key; a document has manifests and flows`)
  }
  return { manifests: readList(document, 'manifests'), flows: readList(document, 'flows') }
}

function readList (document: Record<string, unknown>, key: string): readonly unknown[] {
  const value = document[key] ?? []
  if (!Array.isArray(value)) throw inputInvalid(`${key}: a list is expected`)
  return value
}

function readFlow (flow: unknown, path: string, namespaces: Readonly<Record<string, Labels>>, { home }: ToolContext): Flow {
  const filled = (key: string): object => isRecord(flow) && key in flow ? { [key]: withNamespaceLabels(flow[key], namespaces) } : {}
  const told = isRecord(flow) ? { ...flow, ...filled('source'), ...filled('destination') } : flow
  try {
    return parseFlow(told, home)
  } catch (error) {
    if (error instanceof PolicyError) throw inputInvalid(`${path}${error.path === '' ? ': ' : '.'}${messageOf(error)}`, error)
    throw error
  }
}

/** Of other kinds than policies nothing is asked, but every manifest has a kind. */
function notObjects (manifests: readonly unknown[]): InvalidLine[] {
  return openLists(manifests).flatMap((object, i) => isRecord(object) && typeof object['kind'] === 'string'
    ? []
    : [{ kind: '', namespace: '', name: '', path: `manifests[${i}]`, reason: isRecord(object) ? 'kind is missing or not text' : 'a Kubernetes object is expected' }])
}

function directionLine ({ action, decidedBy, reason }: Decision): DirectionLine {
  return { verdict: action, decidedBy: formatRuleName(decidedBy), reason }
}

function observedLine (egress: Decision, ingress: Decision): ObservedLine | null {
  if (egress.observed === undefined && ingress.observed === undefined) return null
  const [out, into] = [egress.observed ?? egress, ingress.observed ?? ingress]
  const told = ({ action, decidedBy }: typeof out): ObservedLine['egress'] => ({ verdict: action, decidedBy: formatRuleName(decidedBy) })
  return { allowed: out.action === 'allow' && into.action === 'allow', egress: told(out), ingress: told(into) }
}
