/**
 * The nftables rules of one workload, as text made by a pure function.
 *
 *     application ──SYN──▶ output: mark CAPTURE ──route──▶ lo ─▶ prerouting: TPROXY ─▶ outbound listener
 *                                                                                        │ dial, mark WIRE
 *     wire ◀───────────────────────────────────────────────────────────────────────────◀─┘
 *
 *     wire ──SYN──▶ prerouting: TPROXY ─▶ inbound listener
 *                                           │ dial from the client's address, mark POD
 *     application ◀──── lo ◀────────────────┘   (its answers: mark CAPTURE ─route─▶ lo ─▶ the agent's dial)
 *
 * Where no wire is drawn a packet is held: a SYN that no listener of ours takes is dropped, so the rules guard the
 * workload while the agent is away.
 *
 * Why it is so, beyond the picture:
 * - No NAT and no connection tracking. The kernel carries our marks: an application socket inherits the mark of the
 *   packet that made it (net.ipv4.tcp_fwmark_accept; the SYN, or with SYN cookies the ACK after it), a reset that of
 *   the packet it answers (fwmark_reflect). So whatever of ours arrives at the application arrives as CAPTURE.
 * - A SYN is given to a listener and never to an old connection. TPROXY by itself hands a SYN to one of our sockets
 *   in TIME_WAIT when no listener is there (nf_tproxy_handle_time_wait4), and TCP then looks for a listener anew and
 *   finds the application's. Hence the question `socket mark` behind each TPROXY: only a live socket of ours has it.
 * - The same question lets an agent refuse new connections at once without touching the rules: a listener whose mark it
 *   takes away is passed over, while what the listener has begun to accept goes on.
 * - What TPROXY does not claim belongs to a socket of the application. From the wire that is an injection (or a
 *   connection from before we came): refused by a reset that goes out as EXEMPT.
 * - Nothing from outside wears a mark of ours: some CNIs let theirs through into the namespace.
 * - CAPTURE and POD never leave by another interface than `lo`. It would happen when the route is missing, or when the
 *   application ties its socket to an interface (SO_BINDTODEVICE), which overrides policy routing.
 *   So such sockets, and IPv6 link-local destinations (which tie a socket too), are held, not served.
 */

import { ipFrom } from '../model/address.ts'
import { formatBlocks, formatPorts } from './exclusions.ts'
import { chainOf } from './holders.ts'
import { kindMask, marks } from './marks.ts'
import type { IpAddress, SocketAddress } from '../model/address.ts'
import type { Exclusions } from './exclusions.ts'
import type { Holder, Standing } from './holders.ts'

/** Our table in the workload's namespace. */
export const tableName = 'liburna'

export interface RuleSpec {
  /** Who takes connections: the first, and the others in its place while nobody listens there. */
  readonly holders: readonly [Holder, ...Holder[]]
  readonly exclude: Exclusions
  /** Kept with the table for whoever finds it: letters, digits and `/=,. -`, at most 120. */
  readonly note: string
}

const isSyn = 'tcp flags & (syn | ack) == syn'
const is = (mark: number): string => `meta mark & ${hex(kindMask)} == ${hex(mark)}`
const set = (mark: number): string => `meta mark set meta mark & ${hex(~kindMask)} | ${hex(mark)}`

/**
 * Lines for `nft -f -` that make the whole table; `claim` stands before them. A family without a listener is held
 * altogether. Throws `bad-exclusion`.
 */
export function describeRules ({ holders, exclude, note }: RuleSpec): string {
  const inbound = holders.flatMap(holder => holder.inbound)
  const outbound = holders.flatMap(holder => holder.outbound)
  return [
    `table inet ${tableName} {`,
    `  comment "${checkedNote(note)}"`,
    `  chain ${chainOf(holders[0])} {`, // what the next transaction claims
    '  }',
    ...chain('output', 'type route hook output priority mangle; policy accept;', [
      'meta l4proto != tcp accept',
      ...[...inbound, ...outbound].map(refuseDirect),
      `meta mark & ${hex(kindMask)} != 0 accept`,
      'oif "lo" accept',
      ...excludedOutbound(exclude),
      set(marks.capture),
    ]),
    ...chain('prerouting', 'type filter hook prerouting priority mangle; policy accept;', [
      'iif "lo" meta l4proto tcp goto from_inside',
      'iif != "lo" meta l4proto tcp goto from_wire',
    ]),
    ...chain('from_inside', undefined, [
      `${is(marks.pod)} ${set(marks.capture)} accept`, // for the application's socket to inherit, and its resets
      `meta mark & ${hex(kindMask)} != ${hex(marks.capture)} accept`,
      ...outbound.map(address => `${isSyn} ${tproxy(address)} ${isOurs(marks.pod)} accept`),
      `${isSyn} drop`,
      ...outbound.map(address => `${tproxy(address)} accept`),
    ]),
    ...chain('from_wire', undefined, [
      `meta mark & ${hex(kindMask)} != 0 meta mark set meta mark & ${hex(~kindMask)}`, // a CNI may leave marks of its own
      ...excludedInbound(exclude).map(match => `${match} ${set(marks.exempt)} accept`),
      ...inbound.map(address => `${isSyn} ${tproxy(address)} ${isOurs(marks.wire)} accept`),
      `${isSyn} drop`,
      ...inbound.map(address => `${tproxy(address)} accept`),
      `${set(marks.exempt)} reject with tcp reset`,
    ]),
    ...chain('guard', 'type filter hook postrouting priority mangle; policy accept;', [
      `oif != "lo" ${is(marks.capture)} drop`,
      `oif != "lo" ${is(marks.pod)} drop`,
    ]),
    '}',
    '',
  ].join('\n')
}

/**
 * Lines that remove the table that was found, and make the transaction fail when by now another one stands there, or one
 * where none was.
 */
export function claim ({ table, holders: [first] }: Pick<Standing, 'table' | 'holders'>): string {
  const isSame = first === undefined ? [] : [`delete chain inet ${tableName} ${chainOf(first)}`]
  return [table ? '' : `create table inet ${tableName}`, ...isSame, `delete table inet ${tableName}`, ''].join('\n')
}

function chain (name: string, hook: string | undefined, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, ...[...hook === undefined ? [] : [hook], ...rules].map(rule => `    ${rule}`), '  }']
}

/** The listeners take captured connections only; dialling them by their own address would have no destination. */
function refuseDirect ({ ip, port }: SocketAddress): string {
  return `${ip.family === 4 ? 'ip' : 'ip6'} daddr ${checkedIp(ip)} tcp dport ${checkedPort(port)} reject with tcp reset`
}

function tproxy ({ ip, port }: SocketAddress): string {
  return ip.family === 4
    ? `meta nfproto ipv4 meta l4proto tcp tproxy ip to ${checkedIp(ip)}:${checkedPort(port)}`
    : `meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [${checkedIp(ip)}]:${checkedPort(port)}`
}

/** True for a listener or an established socket with the mark; a socket in TIME_WAIT has none to show. */
function isOurs (mark: number): string {
  return `socket mark & ${hex(kindMask)} == ${hex(mark)}`
}

/** By destination only: answers of excluded inbound connections carry EXEMPT by inheritance. */
function excludedOutbound ({ outboundPorts, cidrs }: Exclusions): readonly string[] {
  return [
    ...match('tcp dport', formatPorts(outboundPorts)),
    ...match('ip daddr', formatBlocks(cidrs, 4)),
    ...match('ip6 daddr', formatBlocks(cidrs, 6)),
  ].map(rule => `${rule} accept`)
}

/**
 * The last one lets answers from excluded ports in. It can reach only sockets whose remote port is that port, which
 * are excluded themselves: the agent's dials to the application never take an excluded port as their own.
 */
function excludedInbound ({ inboundPorts, outboundPorts, cidrs }: Exclusions): readonly string[] {
  return [
    ...match('tcp dport', formatPorts(inboundPorts)),
    ...match('ip saddr', formatBlocks(cidrs, 4)),
    ...match('ip6 saddr', formatBlocks(cidrs, 6)),
    ...match('tcp flags & (syn | ack) != syn tcp sport', formatPorts(outboundPorts)),
  ]
}

function match (what: string, set: string | undefined): readonly string[] {
  return set === undefined ? [] : [`${what} ${set}`]
}

function hex (value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}

/** The text is parsed anew: whoever made the value, no more than an address gets into the rules. */
function checkedIp ({ text }: IpAddress): string {
  return ipFrom(text).text
}

function checkedPort (port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new RangeError(`not a port: ${port}`)
  return port
}

function checkedNote (note: string): string {
  if (!/^[A-Za-z0-9/=,. -]{0,120}$/.test(note)) throw new RangeError(`not a note: ${JSON.stringify(note)}`)
  return note
}
