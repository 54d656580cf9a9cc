/** A proven peer cannot keep the main thread busy with control frames. */

import t from 'tap'
import { FrameAllowance } from '../../src/frames/index.ts'

/** How many are allowed at once. */
function burst (allowance: FrameAllowance, nowMs: number): number {
  let count = 0
  while (count < 1000 && allowance.take(nowMs)) count++
  return count
}

t.test('as many as a connection has reason for, and one a second from then on', async t => {
  const allowance = new FrameAllowance()
  t.equal(burst(allowance, 5_000), 16)
  t.equal(burst(allowance, 5_999), 0)
  t.equal(burst(allowance, 6_000), 1)
  t.equal(burst(allowance, 8_500), 2)
  t.equal(burst(allowance, 9_000), 1, 'the half second counts')
})

t.test('silence is not saved for more than one burst', async t => {
  const allowance = new FrameAllowance()
  t.equal(allowance.take(0), true)
  t.equal(burst(allowance, 3_600_000), 16)
})

t.test('a certificate an hour is always allowed', async t => {
  const allowance = new FrameAllowance()
  for (let hour = 0; hour < 100; hour++) t.equal(allowance.take(hour * 3_600_000), true)
})
