/** From manifests alone: who can reach one workload, what it can reach, on which ports. */

import { emptyBits, setBit } from './bits.ts'
import { describeCrowd } from './crowd.ts'
import { outsideOf } from './outside.ts'
import { outsideParties, partyOf, workloadParties } from './parties.ts'
import { declaredRanges, formatRanges, mergeRanges, portCuts, rangesOf } from './ports.ts'
import { Reachability } from './reachability.ts'
import { formatTable, printable } from './table.ts'
import type { Inventory } from './inventory.ts'
import type { NamedEndpoint } from './endpoint-text.ts'
import type { Party } from './parties.ts'
import type { PortCuts, PortRange } from './ports.ts'

export interface ReachOptions {
  /** Also ports that a workload does not declare. @default false */
  readonly everyPort?: boolean
}

export interface Reach {
  readonly workload: string
  /** Sorted as the manifests' workloads, the outside last. */
  readonly reachedBy: readonly ReachLine[]
  readonly reaches: readonly ReachLine[]
}

export interface ReachLine {
  readonly peer: string
  /** Ports of the destination; merged and sorted. */
  readonly ports: readonly PortRange[]
}

/** All that has been found out, with what is needed to show and to check it. */
export interface ReachAnswer extends Reach {
  /** By the name that the lines use. */
  readonly parties: readonly Party[]
}

/** The workload may be one of the manifests or one that does not exist yet; the latter is added to them. */
export function reachOf (asked: NamedEndpoint, inventory: Inventory, { everyPort = false }: ReachOptions = {}): ReachAnswer {
  const known = workloadParties(inventory.workloads)
  const at = known.findIndex(({ endpoint }) => endpoint === asked.endpoint)
  const workloads = at < 0 ? [...known, partyOf(asked)] : known
  const parties = [...workloads, ...outsideParties(outsideOf(inventory.policies))]
  const own = at < 0 ? known.length : at
  const reachability = new Reachability(inventory.set, parties, inventory.context)
  const cuts = portCuts(inventory.policies)
  const ranges = parties.map(party => rangesFor(party, cuts, everyPort))
  const line = (peer: Party, destination: number, allows: (range: PortRange) => boolean): ReachLine[] => {
    const ports = mergeRanges((ranges[destination] ?? []).filter(allows))
    return ports.length === 0 ? [] : [{ peer: peer.name, ports }]
  }
  return {
    workload: parties[own]?.name ?? asked.name,
    reachedBy: parties.flatMap((peer, i) => line(peer, own, ({ protocol, low }) => reachability.allows(i, own, protocol, low))),
    reaches: parties.flatMap((peer, i) => line(peer, i, ({ protocol, low }) => reachability.allows(own, i, protocol, low))),
    parties,
  }
}

/** Declared ports, or every port where none is declared, or where every port is asked for. */
export function rangesFor ({ ports }: Party, cuts: PortCuts, everyPort: boolean): PortRange[] {
  return ports.length > 0 && !everyPort ? declaredRanges(ports) : rangesOf(cuts, ports)
}

/** For a terminal: peers with the same ports in one line. */
export function reachText ({ workload, reachedBy, reaches, parties }: ReachAnswer): string {
  const numbers = new Map(parties.map(({ name }, i) => [name, i]))
  const own = emptyBits(parties.length)
  setBit(own, numbers.get(workload) ?? 0)
  const section = (title: string, head: string, lines: readonly ReachLine[]): string => {
    const rows = [...Map.groupBy(lines, ({ ports }) => formatRanges(ports))].map(([ports, peers]) => {
      const crowd = emptyBits(parties.length)
      for (const { peer } of peers) setBit(crowd, numbers.get(peer) ?? 0)
      return [describeCrowd(crowd, parties, own), ports]
    })
    return `${title}\n${rows.length === 0 ? '  nobody\n' : indented(formatTable([head, 'PORTS'], rows))}`
  }
  return `${printable(workload)}\n\n${section('can be reached by', 'FROM', reachedBy)}\n${section('can reach', 'TO', reaches)}`
}

function indented (text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
