/**
 * Policy routing of one workload: packets marked CAPTURE are local, whatever their destination.
 *
 *     ip rule   priority 1, fwmark CAPTURE ─▶ table 7667
 *     table     local default dev lo
 *
 * The rule stands behind the kernel's own table of local addresses (priority 0) and before everything else.
 */

import { kindMask, marks } from './marks.ts'
import type { IpFamily } from '../model/address.ts'

/** Any number that nobody else uses: there is no registry; 7667 spells nothing and is not in rt_tables. */
const table = 7667
const priority = 1

const rule = `priority ${priority} fwmark ${marks.capture}/${kindMask} lookup ${table}`

/** Lines for `ip -batch -`; repeated, the first fails with "File exists" and the rest with nothing. */
export const addRoutes: readonly string[] = [
  'link set dev lo up', // a route to an interface that is down is refused; a CNI has it up already
  `route replace local default dev lo table ${table}`,
  `rule add ${rule}`,
]

/** The undo; fails where there is nothing to undo. */
export const removeRoutes: readonly string[] = [`rule del ${rule}`, `route flush table ${table}`]

/** The arguments of `ip` that list what `addRoutes` made, and how that looks. */
export const listings = (family: IpFamily): readonly { readonly args: readonly string[], readonly shows: RegExp }[] => [
  { args: [`-${family}`, 'rule', 'show', 'priority', String(priority)], shows: new RegExp(`fwmark 0x${marks.capture.toString(16)}/0x${kindMask.toString(16)} lookup ${table}\\b`) },
  { args: [`-${family}`, 'route', 'show', 'table', String(table)], shows: /^local default dev lo\b/m },
]
