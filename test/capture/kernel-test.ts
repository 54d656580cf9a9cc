/** Tests that capture for real: each names what it needs of the kernel. */

import t from 'tap'
import { needs } from '../fixtures/needs.ts'
import type { Test } from 'tap'
import type { Need } from '../fixtures/needs.ts'

const capture: readonly Need[] = ['netns', 'nftables', 'iproute2', 'tproxy', 'transparent', 'accepted-mark']

// For a whole file; the default of 30 s is for a machine without neighbours.
t.setTimeout(180_000)

/** A test with capture; `more` names what else it needs. */
export function kernelTest (name: string, run: (t: Test) => Promise<void>, ...more: readonly Need[]): void {
  void t.test(name, async t => {
    if (needs(t, ...capture, ...more)) await run(t)
  })
}
