/**
 * `discovery: declared`: who has an agent is said by lists, for kernels without BPF or cgroup v2. Pure.
 *
 * The safe default is "protected": a handshake with something that has no agent fails, whereas plain bytes to
 * something that has one would be unjudged on that side.
 */

import { cidrContains } from '../model/cidr.ts'
import type { IpAddress } from '../model/address.ts'
import type { Cidr } from '../model/cidr.ts'

export interface DeclaredPeers {
  /** Blocks behind agents. */
  readonly protected: readonly Cidr[]
  /** Blocks without agents. */
  readonly external: readonly Cidr[]
}

/**
 * Whether an agent is to be expected at `ip`. The longest matching block decides; at equal length, and where none
 * matches, the answer is yes.
 */
export function expectsAgent (ip: IpAddress, { protected: behind, external }: DeclaredPeers): boolean {
  return longest(ip, external) <= longest(ip, behind)
}

/** Prefix length of the longest block that holds `ip`, -1 when none does. */
function longest (ip: IpAddress, blocks: readonly Cidr[]): number {
  return Math.max(-1, ...blocks.filter(block => cidrContains(block, ip)).map(block => block.prefix))
}
