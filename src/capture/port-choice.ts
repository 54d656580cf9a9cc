/**
 * Which port the agent takes when it dials the application in the client's name. Pure.
 *
 * The connection on the wire (client:port → pod:port) and ours (client:ours → pod:port) live in one namespace and
 * differ only in that port. A port that a client of the same address uses now would mix them up: its SYN would find
 * the application's socket (and be held). So we stay below the usual ephemeral ranges (Linux from 32768, others from
 * 49152) and away from the ports below 1024 and some, which some servers trust.
 */

import { firstFree } from '../lib/first-free.ts'
import type { PortRange } from './exclusions.ts'

/** Both included. */
export const innerPorts = { low: 2048, high: 32767 } as const

/** Whether a dial could take one of these. */
export function overlapsInnerPorts ({ from, to }: PortRange): boolean {
  return from <= innerPorts.high && to >= innerPorts.low
}

/**
 * A port for which `taken` says no, or `undefined` when there is none. `random` is uniform in [0, 1); the search
 * begins there and goes upwards round the range.
 */
export function choosePort (taken: (port: number) => boolean, random: number): number | undefined {
  return firstFree(innerPorts, taken, random)
}
