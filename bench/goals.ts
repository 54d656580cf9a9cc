/**
 * What is to be reached, as ratios within one run: numbers of one machine say nothing on another.
 *
 * A goal whose variants were not measured is told and decides nothing; when none could be judged, the check fails.
 */

import { advantage } from './figures.ts'
import type { FigureName } from './figures.ts'
import type { Results } from './results.ts'

export interface Goal {
  readonly figure: FigureName
  readonly variant: string
  /** The best of these that were measured; `limit` when `reach` is a value of its own. */
  readonly against: readonly string[] | 'limit'
  /** At least so many times as good, whichever way the figure counts; for a limit, at most this value. */
  readonly reach: number
}

export type GoalState = 'reached' | 'MISSED' | 'not measured'

export interface GoalOutcome {
  readonly goal: Goal
  /** Times as good as the best of the others, or the value. */
  readonly reached: number | undefined
  /** How far that may be off by what the rounds differ: the spreads of both, as a share. */
  readonly spread: number
  readonly state: GoalState
  /** The best of the others. */
  readonly best: string | undefined
}

const tlsPeers = ['haproxy-tls', 'envoy']
const allPeers = [...tlsPeers, 'ztunnel']

/** The streams relay, where threads cannot be had: what it must not fall below. A miss means that something became slower. */
const streamsGoals: readonly Goal[] = [
  { figure: 'throughput-1', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.8 },
  { figure: 'throughput-8', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.7 },
  { figure: 'cpu-gigabyte', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.9 },
  { figure: 'latency-1-p50', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.6 },
  { figure: 'requests-64', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.4 },
  { figure: 'connections', variant: 'liburna-streams', against: ['haproxy-tls'], reach: 0.5 },
  { figure: 'memory-idle', variant: 'liburna-streams', against: 'limit', reach: 140 },
  { figure: 'memory-connection', variant: 'liburna-streams', against: 'limit', reach: 120 },
]

/** What runs by default, the native relay, encrypting: as fast as the best peer, and faster than the one that shares transports. */
const nativeGoals: readonly Goal[] = [
  { figure: 'throughput-1', variant: 'liburna', against: allPeers, reach: 1 },
  { figure: 'throughput-1', variant: 'liburna', against: ['ztunnel'], reach: 1.2 },
  { figure: 'throughput-8', variant: 'liburna', against: allPeers, reach: 1 },
  { figure: 'throughput-8', variant: 'liburna', against: ['ztunnel'], reach: 1.2 },
  { figure: 'latency-1-p50', variant: 'liburna', against: allPeers, reach: 1 },
  { figure: 'requests-64', variant: 'liburna', against: allPeers, reach: 1 },
  { figure: 'connections', variant: 'liburna', against: ['haproxy-tls'], reach: 1.5 },
  { figure: 'connections', variant: 'liburna-resumed', against: ['envoy'], reach: 1.2 },
  { figure: 'connections', variant: 'liburna-pooled', against: allPeers, reach: 1.2 },
  { figure: 'memory-idle', variant: 'liburna', against: 'limit', reach: 80 },
  { figure: 'memory-connection', variant: 'liburna', against: 'limit', reach: 40 },
]

/** The native relay where both ends leave TLS after the handshake and the kernel moves the bytes. */
const authenticateGoals: readonly Goal[] = [
  { figure: 'throughput-1', variant: 'liburna-authenticate', against: ['haproxy-splice'], reach: 1 },
  { figure: 'throughput-1', variant: 'liburna-authenticate', against: allPeers, reach: 1.5 },
  { figure: 'throughput-1', variant: 'liburna-authenticate', against: ['direct'], reach: 0.6 },
  { figure: 'throughput-8', variant: 'liburna-authenticate', against: ['haproxy-splice'], reach: 1.15 },
  { figure: 'throughput-8', variant: 'liburna-authenticate', against: allPeers, reach: 1.5 },
  { figure: 'latency-1-p50', variant: 'liburna-authenticate', against: allPeers, reach: 1 },
  { figure: 'memory-connection', variant: 'liburna-authenticate', against: 'limit', reach: 12 },
]

export const goals: readonly Goal[] = [...nativeGoals, ...authenticateGoals, ...streamsGoals]

export function judge (results: Results, wanted: readonly Goal[] = goals): GoalOutcome[] {
  return wanted.map(goal => outcomeOf(goal, results))
}

/** Whether something was judged, and nothing was missed. */
export function passed (outcomes: readonly GoalOutcome[]): boolean {
  return outcomes.some(({ state }) => state === 'reached') && outcomes.every(({ state }) => state !== 'MISSED')
}

function outcomeOf (goal: Goal, results: Results): GoalOutcome {
  const own = results[goal.variant]?.[goal.figure]
  const unmeasured = { goal, reached: undefined, spread: 0, state: 'not measured', best: undefined } as const
  if (own === undefined) return unmeasured
  if (goal.against === 'limit') return { goal, reached: own.median, spread: own.spread, state: own.median <= goal.reach ? 'reached' : 'MISSED', best: undefined }
  const others = goal.against.flatMap(name => {
    const value = results[name]?.[goal.figure]
    return value === undefined ? [] : [{ name, times: advantage(goal.figure, own.median, value.median), spread: own.spread + value.spread }]
  })
  const [best] = others.sort((a, b) => a.times - b.times)
  if (best === undefined) return unmeasured
  return { goal, reached: best.times, spread: best.spread, state: best.times >= goal.reach ? 'reached' : 'MISSED', best: best.name }
}
