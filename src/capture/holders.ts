/**
 * Which agents hold a workload, as the table in its namespace tells. Pure, but for `newId`.
 *
 * Two agents of a node may run at once, while one takes over from the other. Each has listeners of its own in every
 * namespace, and the rules know both: a SYN goes to the agent that started last, and to the one before it where the last
 * one is dead (TPROXY goes on to the next rule when nobody listens). So whoever dies, whenever, nothing is lost and
 * nothing has to notice.
 *
 * The table is also the lock. It holds an empty chain named after the first holder, and each transaction of an agent
 * begins with the removal of the chain that it has read: if somebody else was faster, the whole transaction fails and
 * is thought over. Nothing outside of the namespace is needed, and nothing in it that the workload could touch without
 * CAP_NET_ADMIN.
 */

import { randomInt } from 'node:crypto'
import { socketAddress } from '../model/address.ts'
import type { IpFamily, SocketAddress } from '../model/address.ts'

/** An agent with its listeners in one namespace, at most one of a family and direction; all on loopback. */
export interface Holder {
  /** Sorts by when the agent started. */
  readonly id: string
  readonly inbound: readonly SocketAddress[]
  readonly outbound: readonly SocketAddress[]
}

/** What the table of a namespace tells; `table: false` where there is none. */
export interface Standing {
  readonly table: boolean
  /** The one that started last first. */
  readonly holders: readonly Holder[]
  /** Settings before us, for sysctls.ts; `undefined` when nobody has written them down. */
  readonly settings: string | undefined
}

/** As many as the comment of a table has room for (128 bytes). A third agent could only be one that is ending. */
export const mostHolders = 2

/**
 * An id for an agent that starts now. Microseconds since the machine started, so that ids sort by time whatever becomes
 * of the wall clock, and some noise; in base 36, where ten digits are a century.
 */
export function newId (): string {
  const sinceBoot = process.hrtime.bigint() / 1000n
  return sinceBoot.toString(36).padStart(10, '0') + randomInt(36 ** 3).toString(36).padStart(3, '0')
}

const notePattern = /"liburna\/2 ([-0-9,]+)((?: [0-9a-z]{13}=[-0-9,]+)*)"/
const noPort = '-'

/** The name of the chain that an agent's transaction leaves, and the next one's begins with. */
export function chainOf ({ id }: Pick<Holder, 'id'>): string {
  if (!/^[0-9a-z]{13}$/.test(id)) throw new RangeError(`not an id: ${JSON.stringify(id)}`)
  return `held_by_${id}`
}

/** The comment of the table. */
export function formatNote (settings: string, holders: readonly Holder[]): string {
  return ['liburna/2', settings, ...holders.slice(0, mostHolders).map(formatHolder)].join(' ')
}

/** From the listing of the table (`nft list table`); an empty one when there is none. */
export function parseStanding (listing: string): Standing {
  const [, settings, holders = ''] = notePattern.exec(listing) ?? []
  return { table: listing.trim() !== '', settings, holders: holders.split(' ').filter(text => text !== '').map(parseHolder) }
}

function formatHolder ({ id, inbound, outbound }: Holder): string {
  const ports = [inbound, outbound].flatMap(addresses => ([4, 6] as const).map(family => addresses.find(({ ip }) => ip.family === family)?.port ?? noPort))
  return `${id}=${ports.join(',')}`
}

function parseHolder (text: string): Holder {
  const [id = '', ports = ''] = text.split('=')
  const [in4, in6, out4, out6] = ports.split(',')
  return { id, inbound: [...loopback(4, in4), ...loopback(6, in6)], outbound: [...loopback(4, out4), ...loopback(6, out6)] }
}

function loopback (family: IpFamily, text = noPort): SocketAddress[] {
  const port = Number(text)
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? [socketAddress(family === 4 ? '127.0.0.1' : '::1', port)] : []
}
