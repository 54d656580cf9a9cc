/**
 * Policies that are valid but look like a mistake, seen beside the workloads of the same manifests: what selects or
 * matches nobody, ports that nobody has, rules that are over. Nothing is said where no workload is described.
 */

import { compile, entryMatchesPeer, ask, formatPort, questionOf } from '../policy/index.ts'
import { isPod } from './context.ts'
import type { ManifestWorkload, Policy, PolicyEntry, PolicyRef } from '../policy/index.ts'
import type { Inventory } from './inventory.ts'

export interface PolicyFinding extends PolicyRef {
  readonly path: string
  readonly reason: string
}

type Ports = Exclude<PolicyEntry['ports'], 'every'>

export function policyFindings (inventory: Inventory): PolicyFinding[] {
  const pods = inventory.workloads.filter(({ endpoint }) => isPod(endpoint))
  const selected = subjectsOf(inventory.policies, pods)
  return inventory.policies.filter(({ broken }) => broken === '').flatMap(policy => [
    ...namespaceFinding(policy, inventory),
    ...policy.entries.flatMap(entry => timeFinding(entry, inventory.context.nowMs)),
    ...(pods.length === 0 ? [] : workloadFindings(policy, selected.get(policy) ?? [], pods, inventory)),
  ])
}

/** Which pods each policy has as its subject. */
function subjectsOf (policies: readonly Policy[], pods: readonly ManifestWorkload[]): Map<Policy, ManifestWorkload[]> {
  const set = compile(policies)
  const selected = new Map<Policy, ManifestWorkload[]>()
  for (const pod of pods) {
    for (const policy of set.selecting(pod.endpoint.identity)) selected.set(policy, [...selected.get(policy) ?? [], pod])
  }
  return selected
}

function namespaceFinding ({ ref }: Policy, { namespaces }: Inventory): PolicyFinding[] {
  const known = Object.keys(namespaces)
  return ref.namespace === '' || known.length === 0 || known.includes(ref.namespace) ? [] : [{ ...ref, path: 'metadata.namespace', reason: `no manifest describes the namespace ${ref.namespace}` }]
}

function timeFinding ({ policy, rule, active }: PolicyEntry, nowMs: number): PolicyFinding[] {
  return active === undefined || active.untilMs > nowMs ? [] : [{ ...policy, path: rule, reason: `its time ended at ${new Date(active.untilMs).toISOString()}: it can never match again` }]
}

function workloadFindings (policy: Policy, subjects: readonly ManifestWorkload[], pods: readonly ManifestWorkload[], inventory: Inventory): PolicyFinding[] {
  if (subjects.length === 0) return [{ ...policy.ref, path: 'spec', reason: 'selects none of the workloads described' }]
  return policy.entries.flatMap(entry => {
    const peers = peersOf(entry, subjects, pods, inventory)
    if (peers?.length === 0) return [{ ...policy.ref, path: entry.rule, reason: 'its peers match none of the workloads described' }]
    const destinations = entry.direction === 'ingress' ? subjects : peers
    return destinations === undefined || entry.ports === 'every' ? [] : portFindings(entry, entry.ports, destinations)
  })
}

/** The workloads that an entry is about; `undefined` where it is also, or only, about others. */
function peersOf (entry: PolicyEntry, [subject]: readonly ManifestWorkload[], pods: readonly ManifestWorkload[], { context }: Inventory): ManifestWorkload[] | undefined {
  if (subject === undefined || entry.peers === 'everyone' || !entry.peers.every(peer => peer.kind === 'workload' && peer.reach === 'same')) return undefined
  return pods.filter(pod => {
    const [source, destination] = entry.direction === 'ingress' ? [pod, subject] : [subject, pod]
    const question = questionOf({ source: source.endpoint, destination: destination.endpoint, protocol: 'TCP', port: 1 }, entry.direction, context.nowMs)
    return question !== undefined && entryMatchesPeer(entry, ask(question, context.sameness))
  })
}

/** Containers need not declare their ports, so numbers are missed only where every destination declares some. */
function portFindings (entry: PolicyEntry, ports: Ports, destinations: readonly ManifestWorkload[]): PolicyFinding[] {
  const allDeclare = destinations.every(destination => destination.ports.length > 0)
  return ports.filter(port => (port.kind === 'named' || allDeclare) && !destinations.some(destination => hasPort(destination, port)))
    .map(port => ({ ...entry.policy, path: entry.rule, reason: `none of the workloads that it is about has the port ${formatPort(port)}` }))
}

function hasPort ({ ports }: ManifestWorkload, wanted: Ports[number]): boolean {
  return ports.some(({ name, port, protocol }) => (wanted.protocol === 'any' || wanted.protocol === protocol) &&
    (wanted.kind === 'named' ? name === wanted.name : port >= wanted.low && port <= wanted.high))
}
