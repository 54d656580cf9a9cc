/**
 * Policies that are valid but look like a mistake, seen beside the workloads of the same manifests: what selects or
 * matches nobody, ports that nobody has, rules that are over. Nothing is said where no workload is described.
 */

import { ask, compile, entryMatchesPeer, formatPort, formatSelector, questionOf } from '../policy/index.ts'
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
  if (ref.namespace === '' || known.length === 0 || known.includes(ref.namespace)) return []
  return [{ ...ref, path: 'metadata.namespace', reason: `no manifest describes the namespace ${ref.namespace}` }]
}

function timeFinding ({ policy, rule, active }: PolicyEntry, nowMs: number): PolicyFinding[] {
  if (active === undefined || active.untilMs > nowMs) return []
  return [{ ...policy, path: rule, reason: `its time ended at ${new Date(active.untilMs).toISOString()}: it can never match again` }]
}

function workloadFindings (policy: Policy, subjects: readonly ManifestWorkload[], pods: readonly ManifestWorkload[], inventory: Inventory): PolicyFinding[] {
  const [subject] = subjects
  if (subject === undefined) return [{ ...policy.ref, path: 'spec', reason: 'selects none of the workloads described' }]
  return policy.entries.flatMap(entry => {
    const peers = peersOf(entry, subject, pods, inventory)
    const empty = peers.filter(({ workloads }) => workloads.length === 0).map(({ peer }) => {
      return { ...policy.ref, path: entry.rule, reason: `its peer (${showPeer(peer)}) matches none of the workloads described` }
    })
    const destinations = entry.direction === 'ingress' ? subjects : peers.flatMap(({ workloads }) => workloads)
    const isKnown = entry.direction === 'ingress' || (entry.peers !== 'everyone' && peers.length === entry.peers.length && destinations.length > 0)
    return [...empty, ...(isKnown && entry.ports !== 'every' ? portFindings(entry, entry.ports, destinations) : [])]
  })
}

interface KnownPeer {
  readonly peer: WorkloadMatcher
  readonly workloads: readonly ManifestWorkload[]
}

/** The peers of an entry that are workloads of the own cluster, and which of those described they match. */
function peersOf (entry: PolicyEntry, subject: ManifestWorkload, pods: readonly ManifestWorkload[], { context }: Inventory): KnownPeer[] {
  if (entry.peers === 'everyone') return []
  return entry.peers.filter(peer => peer.kind === 'workload').filter(({ reach }) => reach === 'same').map(peer => ({ peer, workloads: pods.filter(pod => {
    const question = questionOf({ source: pod.endpoint, destination: subject.endpoint, protocol: 'TCP', port: 1 }, 'ingress', context.nowMs)
    return question !== undefined && entryMatchesPeer({ ...entry, peers: [peer] }, ask(question, context.sameness))
  }) }))
}

type WorkloadMatcher = Extract<Exclude<PolicyEntry['peers'], 'everyone'>[number], { kind: 'workload' }>

function showPeer ({ labels, namespaceLabels, namespaces }: WorkloadMatcher): string {
  const place = namespaces === undefined ? [] : [`in ${namespaces.join(', ')}`]
  const spaces = namespaceLabels === undefined ? [] : [`in namespaces ${formatSelector(namespaceLabels) || 'of any labels'}`]
  return [labels === undefined || labels.length === 0 ? 'all pods' : formatSelector(labels), ...place, ...spaces].join(' ')
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
