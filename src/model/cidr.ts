/** CIDR blocks (RFC 4632). Host bits are masked away, as Kubernetes does for `ipBlock`. */

import { parseIp } from './address.ts'
import type { IpAddress } from './address.ts'

export interface Cidr {
  readonly text: string
  readonly base: IpAddress
  readonly prefix: number
}

/** Parses `address/prefix`; `undefined` when it is not one. A mapped IPv4 block (`::ffff:a.b.c.d/96+n`) is refused. */
export function parseCidr (text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text)
  const base = match === null ? undefined : parseIp(match[1] ?? '')
  const prefix = Number(match?.[2])
  if (base === undefined || prefix > base.words.length * 32) return undefined
  if (base.family === 4 && text.includes(':')) return undefined
  const words = base.words.map((word, i) => (word & maskWord(prefix, i)) >>> 0)
  return { text, base: { ...base, words }, prefix }
}

/** Whether `ip` lies in `cidr`; never across families. */
export function cidrContains (cidr: Cidr, ip: IpAddress): boolean {
  if (cidr.base.family !== ip.family) return false
  for (let i = 0; i < ip.words.length; i++) {
    if (((ip.words[i] ?? 0) & maskWord(cidr.prefix, i)) >>> 0 !== cidr.base.words[i]) return false
  }
  return true
}

/** Whether every address of `inner` lies in `outer`. */
export function cidrCovers (outer: Cidr, inner: Cidr): boolean {
  return inner.prefix >= outer.prefix && cidrContains(outer, inner.base)
}

/** The part of the netmask that falls into the 32-bit word `index`. */
function maskWord (prefix: number, index: number): number {
  const bits = Math.min(32, Math.max(0, prefix - index * 32))
  return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0
}
