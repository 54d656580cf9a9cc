/** What of a workload's traffic is left alone: decided by people, checked here before it becomes rules. */

import { cidrCovers } from '../model/cidr.ts'
import { CaptureError } from './error.ts'
import type { IpFamily } from '../model/address.ts'
import type { Cidr } from '../model/cidr.ts'

/** Ports `from` to `to`, both included. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Excluded traffic is neither judged nor encrypted, in the application's name and at the operator's word. */
export interface Exclusions {
  /** Ports of the workload that anybody may reach. */
  readonly inboundPorts: readonly PortRange[]
  /** Ports elsewhere that the workload may reach. */
  readonly outboundPorts: readonly PortRange[]
  /** Addresses elsewhere, in both directions. */
  readonly cidrs: readonly Cidr[]
}

export const noExclusions: Exclusions = { inboundPorts: [], outboundPorts: [], cidrs: [] }

/** nft's text of the ports, merged and sorted (nft refuses overlaps); `undefined` for none. Throws `bad-exclusion`. */
export function formatPorts (ranges: readonly PortRange[]): string | undefined {
  const sorted = ranges.map(checked).sort((a, b) => a.from - b.from)
  const merged: PortRange[] = []
  for (const range of sorted) {
    const last = merged.at(-1)
    if (last === undefined || range.from > last.to + 1) merged.push(range)
    else merged.splice(-1, 1, { from: last.from, to: Math.max(last.to, range.to) })
  }
  if (merged.length === 0) return undefined
  return `{ ${merged.map(({ from, to }) => from === to ? `${from}` : `${from}-${to}`).join(', ')} }`
}

/**
 * nft's text of the blocks of one family, without those that lie in another; `undefined` for none.
 * Only numbers are written, never the text that somebody gave.
 */
export function formatBlocks (cidrs: readonly Cidr[], family: IpFamily): string | undefined {
  const ours = cidrs.filter(cidr => cidr.base.family === family)
  const outer = ours.filter((cidr, i) => !ours.some((other, j) => i !== j && swallows(other, cidr, j < i)))
  if (outer.length === 0) return undefined
  return `{ ${outer.map(formatBlock).sort().join(', ')} }`
}

/** Whether `port` lies in one of the ranges. */
export function portsContain (ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => from <= port && port <= to)
}

function checked (range: PortRange): PortRange {
  const { from, to } = range
  if (isPort(from) && isPort(to) && from <= to) return range
  throw new CaptureError('bad-exclusion', `ports ${String(from)} to ${String(to)} cannot be excluded: 1 to 65535, lower first`)
}

function isPort (port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

/** Whether `outer` holds all of `inner`; of two equal ones only the earlier holds the later. */
function swallows (outer: Cidr, inner: Cidr, outerIsFirst: boolean): boolean {
  return cidrCovers(outer, inner) && (outer.prefix < inner.prefix || outerIsFirst)
}

function formatBlock ({ base, prefix }: Cidr): string {
  const bits = base.words.length * 32
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) throw new CaptureError('bad-exclusion', `no prefix: ${String(prefix)}`)
  const words = base.words.map(word => word >>> 0)
  const text = base.family === 4
    ? [24, 16, 8, 0].map(shift => ((words[0] ?? 0) >>> shift) & 255).join('.')
    : words.flatMap(word => [word >>> 16, word & 0xffff]).map(group => group.toString(16)).join(':')
  return `${text}/${prefix}`
}
