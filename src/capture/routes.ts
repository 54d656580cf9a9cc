/**
 * Policy routing of one workload: packets marked CAPTURE are local, whatever their destination.
 *
 *     ip rule   priority 1, fwmark CAPTURE ─▶ table 7667
 *     table     local default dev lo
 *
 * The rule stands behind the kernel's own table of local addresses (priority 0) and before everything else.
 */

import { kindMask, marks } from './marks.ts'

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

/** Lines that show what is there of ours; nothing when nothing is. */
export const showRoutes: readonly string[] = [`rule show priority ${priority}`, `route show table ${table}`]

/** Whether `showRoutes` showed both the rule and the route. */
export function hasRoutes (shown: string): boolean {
  const mark = `0x${marks.capture.toString(16)}/0x${kindMask.toString(16)}`
  return shown.includes(`fwmark ${mark} lookup ${table}`) && /^local default dev lo\b/m.test(shown)
}
