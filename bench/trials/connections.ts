/**
 * New connections: 32 at a time, one request each, always the same pair of addresses.
 *
 * The load is cut into slices, because a rate that falls while ports in TIME_WAIT pile up would hide in a mean: a last
 * quarter that is much slower than the first makes the sample doubtful.
 */

import { run } from '../../test/fixtures/lab/run.ts'
import { netnsPath } from '../../test/fixtures/lab/netns.ts'
import { median } from '../statistics.ts'
import { doubtsOf, wrk } from './wrk.ts'
import type { Measured, Subject, Trial, TrialOptions } from './trial.ts'
import type { WrkReport } from './wrk.ts'

const atATime = 32
const sliceSeconds = 5
/** From here on a slow end is called a fall. */
const fallShare = 0.85

export const connections: Trial = {
  name: 'connections',
  about: `wrk, a new connection for each request, ${atATime} at a time`,
  figures: ['connections', 'cpu-connection'],
  when: 'every-round',
  run: open,
}

async function open (subject: Subject, { connectionSeconds }: TrialOptions): Promise<Measured> {
  const reports: WrkReport[] = []
  for (let left = connectionSeconds; left > 0; left -= sliceSeconds) {
    reports.push(await wrk(subject, { connections: atATime, seconds: Math.min(left, sliceSeconds), close: true }))
  }
  const total = reports.reduce((sum, { requests, us }) => ({ requests: sum.requests + requests, us: sum.us + us }), { requests: 0, us: 0 })
  const slices = reports.map(({ requests, us }) => Math.round(requests / us * 1e6))
  return {
    sample: { connections: total.requests / total.us * 1e6 },
    work: { figure: 'cpu-connection', units: total.requests },
    doubts: [...reports.flatMap(doubtsOf), ...fallOf(slices)],
    details: { slices, timeWait: { a: await timeWait(subject, 'a'), b: await timeWait(subject, 'b') } },
  }
}

function fallOf (slices: readonly number[]): string[] {
  const quarter = Math.floor(slices.length / 4)
  if (quarter === 0) return []
  const [first, last] = [median(slices.slice(0, quarter)), median(slices.slice(-quarter))]
  return last < first * fallShare ? [`fell from ${Math.round(first)} to ${Math.round(last)} per s`] : []
}

/** Sockets in TIME_WAIT in the namespace. */
async function timeWait ({ pair }: Subject, side: 'a' | 'b'): Promise<number> {
  const { stdout } = await run('ss', ['-Htn', 'state', 'time-wait'], { netns: netnsPath(pair.netns(side)) })
  return stdout.split('\n').length - 1
}
