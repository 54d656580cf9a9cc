/** Tests with real agents in namespaces: each names what it needs of the kernel and of Debian. */

import t from 'tap'
import { needs } from '../fixtures/needs.ts'
import type { Test } from 'tap'
import type { Need } from '../fixtures/needs.ts'

const lab: readonly Need[] = ['netns', 'nftables', 'iproute2', 'tproxy', 'transparent', 'sockops', 'program:nsenter']

// For a whole file; the default of 30 s is for a machine without neighbours.
t.setTimeout(900_000)

/** A test in a lab; `more` names what else it needs. */
export function labTest (name: string, run: (t: Test) => Promise<void>, ...more: readonly Need[]): void {
  void t.test(name, async t => {
    if (needs(t, ...lab, ...more)) await run(t)
  })
}
