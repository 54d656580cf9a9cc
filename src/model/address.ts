/**
 * IP addresses and socket addresses in one canonical form.
 *
 * Everything that compares addresses compares these values, so the canonical form is a security boundary:
 * an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address, and text comes out as RFC 5952 says.
 */

import { isIPv4, isIPv6, SocketAddress as NodeSocketAddress } from 'node:net'

export type IpFamily = 4 | 6

/** An IP address. `words` is big-endian uint32: one word for IPv4, four for IPv6; no zone. */
export interface IpAddress {
  readonly family: IpFamily
  readonly text: string
  readonly words: readonly number[]
}

/** A TCP endpoint: address and port (0 to 65535). */
export interface SocketAddress {
  readonly ip: IpAddress
  readonly port: number
}

declare const role: unique symbol
/** What the captured connection was addressed to before we took it. Only `capture` makes one. */
export type OriginalDestination = SocketAddress & { readonly [role]?: 'original-destination' }
/** Who opened the captured connection, as seen on the wire (perhaps a NAT gateway). */
export type ClientAddress = SocketAddress & { readonly [role]?: 'client-address' }

/** Parses an address; `undefined` when the text is not exactly one IPv4 or IPv6 address without a zone. */
export function parseIp (text: string): IpAddress | undefined {
  if (isIPv4(text)) return ipv4(wordOfIpv4(text))
  if (!isIPv6(text) || text.includes('%')) return undefined
  const words = wordsOfIpv6(text)
  const [a, b, c, d = 0] = words
  if (a === 0 && b === 0 && c === 0xffff) return ipv4(d)
  return { family: 6, text: new NodeSocketAddress({ address: text, family: 'ipv6' }).address, words }
}

/** As `parseIp`, for text that the kernel or our own code made; throws on anything else. */
export function ipFrom (text: string): IpAddress {
  const ip = parseIp(text)
  if (ip === undefined) throw new TypeError(`not an IP address: ${JSON.stringify(text)}`)
  return ip
}

/** So many addresses are remembered: a node meets the same few again and again, and putting one into text takes time. */
const mostKnown = 4096
const known = new Map<number, IpAddress>()

/** The IPv4 address of a big-endian word. */
export function ipv4Of (word: number): IpAddress {
  const found = known.get(word)
  if (found !== undefined) return found
  if (known.size >= mostKnown) known.clear()
  const ip = ipv4(word)
  known.set(word, ip)
  return ip
}

export function socketAddress (ip: string | IpAddress, port: number): SocketAddress {
  return { ip: typeof ip === 'string' ? ipFrom(ip) : ip, port }
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`. */
export function formatSocketAddress ({ ip, port }: SocketAddress): string {
  return ip.family === 4 ? `${ip.text}:${port}` : `[${ip.text}]:${port}`
}

/** The inverse of `formatSocketAddress`; `undefined` when the text is not one. */
export function parseSocketAddress (text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const ip = parseIp(match[1] ?? match[2] ?? '')
  const port = Number(match[3])
  if (ip === undefined || port > 65535 || (ip.family === 6) !== (match[1] !== undefined)) return undefined
  return { ip, port }
}

export function sameIp (a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.text === b.text
}

export function sameSocketAddress (a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && sameIp(a.ip, b.ip)
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback (ip: IpAddress): boolean {
  return ip.family === 4 ? (ip.words[0] ?? 0) >>> 24 === 127 : ip.text === '::1'
}

function ipv4 (word: number): IpAddress {
  return { family: 4, text: [24, 16, 8, 0].map(shift => (word >>> shift) & 255).join('.'), words: [word] }
}

function wordOfIpv4 (text: string): number {
  return text.split('.').reduce((word, octet) => ((word << 8) | Number(octet)) >>> 0, 0)
}

/** `text` is known to be a valid IPv6 address without a zone. */
function wordsOfIpv6 (text: string): number[] {
  const [head = '', tail] = text.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  const groups = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
  return [0, 2, 4, 6].map(i => (((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0)) >>> 0)
}

function groupsOf (text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [parseInt(group, 16)]
    const word = wordOfIpv4(group)
    return [word >>> 16, word & 0xffff]
  })
}
