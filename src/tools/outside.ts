/**
 * The world outside, as far as policies tell parts of it apart: for each block of addresses that some rule names, the
 * addresses in it that no smaller named block holds; every other address; each domain name. One of each is asked about
 * and stands for the rest.
 */

import { ipFrom } from '../model/address.ts'
import { cidrCovers, parseCidr } from '../model/cidr.ts'
import type { IpAddress } from '../model/address.ts'
import type { Cidr } from '../model/cidr.ts'
import type { ExternalEndpoint, Policy } from '../policy/index.ts'

export interface OutsidePart {
  readonly name: string
  readonly endpoint: ExternalEndpoint
}

/** Stand for "every other address" where no rule names a block around them: addresses of documentation (RFC 5737, RFC 3849). */
const preferred = ['198.51.100.1', '2001:db8::1']

export function outsideOf (policies: readonly Policy[]): OutsidePart[] {
  const matchers = policies.flatMap(({ entries }) => entries).flatMap(({ peers }) => peers === 'everyone' ? [] : [...peers])
  const blocks = matchers.flatMap(peer => peer.kind === 'address' ? [peer.cidr, ...peer.except] : [])
  const domains = matchers.flatMap(peer => peer.kind === 'domain' ? [peer.pattern] : [])
  return [...addressParts(blocks), ...[...new Set(domains)].sort().map(domainPart)]
}

function addressParts (named: readonly Cidr[]): OutsidePart[] {
  const all = [parseCidr('0.0.0.0/0'), parseCidr('::/0')].filter(cidr => cidr !== undefined)
  const blocks = [...new Map([...all, ...named].map(cidr => [keyOf(cidr), cidr])).values()]
  return blocks.flatMap(block => {
    const inner = blocks.filter(other => other !== block && cidrCovers(block, other))
    const ip = addressBeside(block, inner)
    return ip === undefined ? [] : [{ name: nameOf(block, inner), endpoint: { kind: 'external' as const, ip, domains: [] } }]
  }).sort((a, b) => a.name < b.name ? -1 : 1)
}

function keyOf ({ base: { family, words }, prefix }: Cidr): string {
  return `${family} ${words.join(' ')}/${prefix}`
}

function nameOf (block: Cidr, inner: readonly Cidr[]): string {
  if (block.prefix === 0) return `${inner.length === 0 ? 'every' : 'every other'} IPv${block.base.family} address`
  return inner.length === 0 ? block.text : `${block.text} without smaller blocks`
}

/** An address in `block` but in none of `inner`; `undefined` when they fill it. */
function addressBeside (block: Cidr, inner: readonly Cidr[]): IpAddress | undefined {
  const [first, last] = boundsOf(block)
  const holes = inner.map(boundsOf).sort(([a], [b]) => a < b ? -1 : 1)
  const isFree = (at: bigint): boolean => at >= first && at <= last && !holes.some(([from, to]) => at >= from && at <= to)
  const nice = preferred.map(ipFrom).find(ip => ip.family === block.base.family && isFree(numberOf(ip)))
  if (block.prefix === 0 && nice !== undefined) return nice
  let at = first
  for (const [from, to] of holes) {
    if (at < from) break
    at = at > to ? at : to + 1n
  }
  return at <= last ? addressOf(at, block.base.family) : undefined
}

function boundsOf ({ base, prefix }: Cidr): [bigint, bigint] {
  const first = numberOf(base)
  return [first, first + (1n << BigInt(base.words.length * 32 - prefix)) - 1n]
}

function numberOf ({ words }: IpAddress): bigint {
  return words.reduce((number, word) => number << 32n | BigInt(word), 0n)
}

function addressOf (number: bigint, family: 4 | 6): IpAddress {
  const part = (bits: number, i: number): bigint => number >> BigInt(bits * i) & ((1n << BigInt(bits)) - 1n)
  if (family === 4) return ipFrom([3, 2, 1, 0].map(i => part(8, i)).join('.'))
  return ipFrom([7, 6, 5, 4, 3, 2, 1, 0].map(i => part(16, i).toString(16)).join(':'))
}

/** A name that only this pattern matches, unless another one is made for it. */
function domainPart (pattern: string): OutsidePart {
  const domain = pattern.startsWith('*.') ? `any-name${pattern.slice(1)}` : pattern
  return { name: pattern, endpoint: { kind: 'external', ip: undefined, domains: [domain] } }
}
