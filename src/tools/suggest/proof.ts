/**
 * Suggested policies put to the test: is every recorded flow allowed, and who else is, among the parties that are known:
 * each role that took part, the workloads of the manifests, the outside.
 */

import { judgeFlow } from '../../policy/index.ts'
import { membersOf } from '../bits.ts'
import { takeInventory } from '../inventory.ts'
import { endpointOf, observedWorkloads } from '../observed-endpoint.ts'
import { outsideOf } from '../outside.ts'
import { outsideParties, workloadParties } from '../parties.ts'
import { mergeRanges, portCuts, rangesOf } from '../ports.ts'
import { Reachability } from '../reachability.ts'
import { describeEnd, endsOf, keyOf } from '../records.ts'
import { isHome } from './policies.ts'
import type { Inventory } from '../inventory.ts'
import type { Party } from '../parties.ts'
import type { PortRange } from '../ports.ts'
import type { Observation } from '../records.ts'
import type { SuggestDirection } from './policies.ts'

export interface AlsoAllowed {
  readonly source: string
  readonly destination: string
  readonly ports: readonly PortRange[]
}

export interface Proof {
  /** Pairs of known parties that the policies allow and no record shows. */
  readonly alsoAllowed: readonly AlsoAllowed[]
  /** Recorded flows that the policies do not allow, because nothing a policy can say tells their ends apart. */
  readonly notAllowed: readonly string[]
}

/** A party, and the key that records have for it; empty for one that was not recorded. */
interface KnownParty {
  readonly party: Party
  readonly key: string
}

export function proofOf (wanted: readonly Observation[], policies: readonly object[], known: Inventory, directions: readonly SuggestDirection[]): Proof {
  const { home, nowMs } = known.context
  const inventory = { ...takeInventory(policies, { ...known.context, homeOnly: true }), workloads: known.workloads, namespaces: known.namespaces }
  const notAllowed = wanted.filter(({ source, destination, port }) => {
    const flow = { source: endpointOf(source, inventory), destination: endpointOf(destination, inventory), protocol: 'TCP' as const, port }
    return !judgeFlow(inventory.set, flow, nowMs).allowed
  })
  return {
    notAllowed: notAllowed.map(({ source, destination, port }) => `${describeEnd(source, home)} to ${describeEnd(destination, home)} TCP ${port}`),
    alsoAllowed: alsoAllowed(wanted, inventory, directions),
  }
}

function alsoAllowed (wanted: readonly Observation[], inventory: Inventory, directions: readonly SuggestDirection[]): AlsoAllowed[] {
  const parties = partiesOf(wanted, inventory)
  const reachability = new Reachability(inventory.set, parties.map(({ party }) => party), inventory.context)
  const governed = parties.map(({ party }) => isGoverned(party, inventory))
  const recorded = new Set(wanted.map(({ source, destination, port }) => `${keyOf(source)} > ${keyOf(destination)} ${port}`))
  const ranges = rangesOf(portCuts(inventory.policies))
  return parties.flatMap((destination, to) => {
    const extra = new Map<number, PortRange[]>()
    for (const range of ranges) {
      for (const from of membersOf(reachability.sources(to, range.protocol, range.low))) {
        const concerned = (directions.includes('egress') && governed[from] === true) || (directions.includes('ingress') && governed[to] === true)
        if (concerned && !isRecorded(parties[from]?.key ?? '', destination.key, range, recorded)) extra.set(from, [...extra.get(from) ?? [], range])
      }
    }
    return [...extra].map(([from, ports]) => ({ source: parties[from]?.party.name ?? '', destination: destination.party.name, ports: mergeRanges(ports) }))
  })
}

function isRecorded (from: string, to: string, { protocol, low, high }: PortRange, recorded: ReadonlySet<string>): boolean {
  return protocol === 'TCP' && low === high && recorded.has(`${from} > ${to} ${low}`)
}

function partiesOf (wanted: readonly Observation[], inventory: Inventory): KnownParty[] {
  const roles = new Map(endsOf(wanted).filter(end => end.kind === 'workload').map(end => [keyOf(end), end]))
  const took = [...roles].map(([key, end]): KnownParty => {
    return { key, party: { name: describeEnd(end, inventory.context.home), namespace: end.spiffeId.namespace, endpoint: endpointOf(end, inventory), ports: [], several: true } }
  })
  const observed = observedWorkloads(endsOf(wanted), inventory)
  const silent = workloadParties(inventory.workloads.filter(workload => !observed.has(workload)))
  const outside = outsideParties(outsideOf(inventory.policies))
  return [...took, ...silent.map(party => ({ party, key: '' })), ...outside.map(party => ({ party, key: addressOf(party) }))]
}

function addressOf ({ endpoint }: Party): string {
  return endpoint.kind === 'external' ? endpoint.ip?.text ?? '' : ''
}

/** Whether some suggested policy is about the party; the others are as they were. */
function isGoverned ({ endpoint }: Party, { set, context: { home } }: Inventory): boolean {
  if (endpoint.kind === 'external' || endpoint.hostNetwork) return false
  const { spiffeId: { trustDomain }, attributes: { cluster } } = endpoint.identity
  return isHome({ trustDomain, cluster }, home) && set.selecting(endpoint.identity).length > 0
}
