/** The ports that have to be asked about: those that a workload declares, or else all, cut where some rule cuts them. */

import type { NamedPort, Protocol } from '../model/workload.ts'
import type { Policy, PolicyEntry } from '../policy/index.ts'

/** Ports of which no rule tells one from another. */
export interface PortRange {
  readonly protocol: Protocol
  readonly low: number
  /** Inclusive. */
  readonly high: number
}

const protocols = ['TCP', 'UDP', 'SCTP'] as const satisfies readonly Protocol[]
const lastPort = 65535

/** The first port of each range that rules tell apart, by protocol; ascending. */
export type PortCuts = Readonly<Record<Protocol, readonly number[]>>

export function portCuts (policies: readonly Policy[]): PortCuts {
  const matchers = policies.flatMap(({ entries }) => entries).flatMap(({ ports }) => ports === 'every' ? [] : [...ports])
  return cutAt({ TCP: [], UDP: [], SCTP: [] }, matchers.filter(isRange))
}

type PortMatcher = Exclude<PolicyEntry['ports'], 'every'>[number]

function isRange (port: PortMatcher): port is Extract<PortMatcher, { kind: 'range' }> {
  return port.kind === 'range'
}

function cutAt (cuts: PortCuts, ranges: readonly PortRange[]): PortCuts {
  const marks = (protocol: Protocol): number[] => {
    const own = ranges.filter(range => range.protocol === protocol).flatMap(({ low, high }) => [low, high + 1])
    return [...new Set([1, ...cuts[protocol], ...own])].filter(cut => cut >= 1 && cut <= lastPort).sort((a, b) => a - b)
  }
  return { TCP: marks('TCP'), UDP: marks('UDP'), SCTP: marks('SCTP') }
}

/** All ports, as the cuts part them; declared ones stand alone. */
export function rangesOf (cuts: PortCuts, declared: readonly NamedPort[] = []): PortRange[] {
  const all = declared.length === 0 ? cuts : cutAt(cuts, declaredRanges(declared))
  return protocols.flatMap(protocol => all[protocol].map((low, i) => ({ protocol, low, high: (all[protocol][i + 1] ?? lastPort + 1) - 1 })))
}

/** Each declared port once. */
export function declaredRanges (ports: readonly NamedPort[]): PortRange[] {
  const unique = new Map(ports.map(({ protocol, port }) => [`${protocol} ${port}`, { protocol, low: port, high: port }]))
  return [...unique.values()].sort((a, b) => protocols.indexOf(a.protocol) - protocols.indexOf(b.protocol) || a.low - b.low)
}

/** Ranges that touch become one; sorted. */
export function mergeRanges (ranges: readonly PortRange[]): PortRange[] {
  const sorted = ranges.toSorted((a, b) => protocols.indexOf(a.protocol) - protocols.indexOf(b.protocol) || a.low - b.low)
  const merged: PortRange[] = []
  for (const range of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && last.protocol === range.protocol && last.high + 1 >= range.low) merged[merged.length - 1] = { ...last, high: Math.max(last.high, range.high) }
    else merged.push(range)
  }
  return merged
}

/** `TCP 80, 8080-8090; every UDP port`; `every port` for all of them. */
export function formatRanges (ranges: readonly PortRange[]): string {
  const merged = mergeRanges(ranges)
  if (merged.length === protocols.length && merged.every(isWhole)) return 'every port'
  return protocols.flatMap(protocol => {
    const own = merged.filter(range => range.protocol === protocol)
    if (own.length === 0) return []
    return own.some(isWhole) ? [`every ${protocol} port`] : [`${protocol} ${own.map(({ low, high }) => low === high ? low : `${low}-${high}`).join(', ')}`]
  }).join('; ')
}

function isWhole ({ low, high }: PortRange): boolean {
  return low === 1 && high === lastPort
}
