/**
 * Settings of the workload's namespace that the rules stand on. What was there before is written down in the note of
 * our table, so that an agent that finds the rules of a dead one still knows what to restore.
 */

import type { Netns } from '../sys/index.ts'

/** Order and number are the format of the note: append only, with a new version. */
const wanted: readonly { readonly name: string, readonly value: string }[] = [
  // An accepted socket inherits the mark of its SYN: answers find their way without connection tracking.
  { name: 'ipv4/tcp_fwmark_accept', value: '1' },
  // A reset without a socket carries the mark of what it answers, so it leaves the way that came.
  { name: 'ipv4/fwmark_reflect', value: '1' },
  { name: 'ipv6/fwmark_reflect', value: '1' },
  // Each connection of the application has a second one of ours from the same range of ports; with timestamps
  // (RFC 6191) one in TIME_WAIT can be taken again after a second instead of sixty.
  { name: 'ipv4/tcp_tw_reuse', value: '1' },
]

const absent = '-'

/** The present values, as text for the note of the table. */
export function presentSettings (netns: Netns): string {
  return wanted.map(({ name }) => netns.readSysctl(name) ?? absent).map(value => /^\d{1,4}$/.test(value) ? value : absent).join(',')
}

/** Sets what is not set yet. A setting that this kernel lacks is left out; throws what `fs` throws otherwise. */
export function applySysctls (netns: Netns): void {
  for (const { name, value } of wanted) {
    const present = netns.readSysctl(name)
    if (present !== undefined && present !== value) netns.writeSysctl(name, value)
  }
}

/** Undoes `applySysctls`, given what `presentSettings` told before it; leaves alone what others have changed since. */
export function restoreSysctls (netns: Netns, settings: string | undefined): void {
  const before = settings?.split(',') ?? []
  wanted.forEach(({ name, value }, i) => {
    const was = before[i] ?? absent
    if (was !== absent && netns.readSysctl(name) === value) netns.writeSysctl(name, was)
  })
}
