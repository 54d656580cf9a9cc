/**
 * Two sets of manifests: the pairs of workloads, and of workloads and the outside, and the ports that open or close.
 *
 * A workload that is only in one set talks to nobody in the other. Ports are those that the destination declares, in
 * either set, or every port where it declares none in one of them.
 */

import { judgeFlow } from '../policy/index.ts'
import { formatRuleName } from '../model/verdict.ts'
import { emptyBits, firstOf, hasBit, isEmpty, membersOf, or, refine, setBit, without } from './bits.ts'
import { namesIn } from './crowd.ts'
import { outsideOf } from './outside.ts'
import { outsideParties, workloadParties } from './parties.ts'
import { declaredRanges, mergeRanges, portCuts, rangesOf } from './ports.ts'
import { Reachability } from './reachability.ts'
import type { Policy } from '../policy/index.ts'
import type { Bits } from './bits.ts'
import type { Inventory } from './inventory.ts'
import type { Party } from './parties.ts'
import type { PortCuts, PortRange } from './ports.ts'

export type Change = 'opened' | 'closed'

/** Every source may now (or no longer) connect to every destination on every port. */
export interface DiffGroup {
  readonly change: Change
  readonly sources: readonly string[]
  readonly destinations: readonly string[]
  readonly ports: readonly PortRange[]
  readonly pairs: number
  /** One of the pairs, and what decided it before and after. */
  readonly example: DiffExample
}

export interface DiffExample {
  readonly source: string
  readonly destination: string
  readonly port: PortRange
  readonly before: string
  readonly after: string
}

export interface Diff {
  /** Pairs of which at least one port opened or closed. */
  readonly pairs: Readonly<Record<Change, number>>
  /** Opened ones first, then the larger ones. */
  readonly groups: readonly DiffGroup[]
  /** Workloads that are only in one of the two. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** A group before it is put into names. */
export interface RawGroup {
  readonly change: Change
  readonly sources: Bits
  readonly destinations: Bits
  readonly ports: readonly PortRange[]
}

/** A difference with what is needed to show it. */
export interface DiffAnswer extends Diff {
  readonly raw: readonly RawGroup[]
  /** Of both sets; each number is the same party in both. */
  readonly parties: readonly Party[]
}

interface Sides {
  readonly before: Reachability
  readonly after: Reachability
}

export function diffOf (before: Inventory, after: Inventory): DiffAnswer {
  const policies = [...before.policies, ...after.policies]
  const [old, now] = sideParties(before, after, policies)
  const sides = { before: new Reachability(before.set, old, before.context), after: new Reachability(after.set, now, after.context) }
  const parties = now.map((party, i) => party ?? old[i]).filter(party => party !== undefined)
  const collected = new Map<string, RawGroup>()
  const cuts = portCuts(policies)
  for (let destination = 0; destination < parties.length; destination++) {
    const changed = changesTo(destination, rangesOfBoth(old[destination], now[destination], cuts), sides)
    for (const change of ['opened', 'closed'] as const) collect(partsOf(change, changed), destination, parties.length, collected)
  }
  const raw = [...collected.values()].sort((a, b) => b.change.localeCompare(a.change) || sizeOf(b) - sizeOf(a))
  const groups = raw.map(group => named(group, parties, before, after, old, now))
  return {
    pairs: { opened: sum(groups, 'opened'), closed: sum(groups, 'closed') }, groups, raw, parties,
    added: parties.flatMap(({ name }, i) => old[i] === undefined ? [name] : []),
    removed: parties.flatMap(({ name }, i) => now[i] === undefined ? [name] : []),
  }
}

/** The parties of both sides, under the same numbers. */
function sideParties (before: Inventory, after: Inventory, policies: readonly Policy[]): [(Party | undefined)[], (Party | undefined)[]] {
  const [old, now] = [before, after].map(({ workloads }) => new Map(workloadParties(workloads).map(party => [party.name, party])))
  const names = [...new Set([...old?.keys() ?? [], ...now?.keys() ?? []])].sort()
  const outside = outsideParties(outsideOf(policies))
  return [[...names.map(name => old?.get(name)), ...outside], [...names.map(name => now?.get(name)), ...outside]]
}

function rangesOfBoth (old: Party | undefined, now: Party | undefined, cuts: PortCuts): PortRange[] {
  const declared = [...old?.ports ?? [], ...now?.ports ?? []]
  const isOpen = [old, now].some(party => party !== undefined && party.ports.length === 0)
  return isOpen ? rangesOf(cuts, declared) : declaredRanges(declared)
}

/** Whom a port of a destination opened to, and whom it closed to. */
interface PortChange extends Readonly<Record<Change, Bits>> {
  readonly range: PortRange
}

function changesTo (destination: number, ranges: readonly PortRange[], { before, after }: Sides): PortChange[] {
  return ranges.map(range => {
    const was = before.sources(destination, range.protocol, range.low)
    const is = after.sources(destination, range.protocol, range.low)
    return { range, opened: without(is, was), closed: without(was, is) }
  })
}

interface Part {
  readonly change: Change
  readonly sources: Bits
  readonly ports: readonly PortRange[]
}

/** Sources for which the same ports changed. */
function partsOf (change: Change, changed: readonly PortChange[]): Part[] {
  const some = changed.filter(one => !isEmpty(one[change]))
  const [first] = some
  if (first === undefined) return []
  const all = some.reduce((sources, one) => or(sources, one[change]), first[change])
  return some.reduce<readonly Bits[]>((classes, one) => refine(classes, one[change]), [all])
    .map(sources => ({ change, sources, ports: mergeRanges(some.filter(one => hasBit(one[change], firstOf(sources))).map(({ range }) => range)) }))
}

/** Destinations to which the same happened from the same sources are one group. */
function collect (parts: readonly Part[], destination: number, size: number, collected: Map<string, RawGroup>): void {
  for (const { change, sources, ports } of parts) {
    const key = `${change} ${sources.join(' ')} ${JSON.stringify(ports)}`
    const group = collected.get(key) ?? { change, sources, ports, destinations: emptyBits(size) }
    setBit(group.destinations, destination)
    collected.set(key, group)
  }
}

function sizeOf ({ sources, destinations }: RawGroup): number {
  return membersOf(sources).length * membersOf(destinations).length
}

function named (group: RawGroup, parties: readonly Party[], before: Inventory, after: Inventory, old: readonly (Party | undefined)[], now: readonly (Party | undefined)[]): DiffGroup {
  const [source, destination] = [firstOf(group.sources), firstOf(group.destinations)]
  const port = group.ports[0] ?? { protocol: 'TCP', low: 1, high: 1 }
  return {
    change: group.change,
    sources: namesIn(group.sources, parties),
    destinations: namesIn(group.destinations, parties),
    ports: group.ports,
    pairs: sizeOf(group),
    example: {
      source: parties[source]?.name ?? '', destination: parties[destination]?.name ?? '', port,
      before: why(before, old[source], old[destination], port), after: why(after, now[source], now[destination], port),
    },
  }
}

/** The rule that decided: the one that denies, else those of both ends that are more than a default. */
function why ({ set, context }: Inventory, source: Party | undefined, destination: Party | undefined, { protocol, low }: PortRange): string {
  if (source === undefined || destination === undefined) return `no ${source === undefined ? 'such source' : 'such destination'}`
  const { egress, ingress } = judgeFlow(set, { source: source.endpoint, destination: destination.endpoint, protocol, port: low }, context.nowMs)
  const denied = [['egress', egress], ['ingress', ingress]] as const
  const told = denied.filter(([, { action }]) => action === 'deny')
  const shown = (told.length > 0 ? told : denied.filter(([, { layer }]) => layer !== 'default')).map(([direction, { decidedBy }]) => `${direction} by ${formatRuleName(decidedBy)}`)
  return `${told.length > 0 ? 'denied' : 'allowed'}${shown.length === 0 ? ' by default' : ` ${shown.join(', ')}`}`
}

function sum (groups: readonly DiffGroup[], change: Change): number {
  return groups.reduce((total, group) => group.change === change ? total + group.pairs : total, 0)
}
