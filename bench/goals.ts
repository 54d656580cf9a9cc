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
  readonly state: GoalState
  /** The best of the others. */
  readonly best: string | undefined
}

const tlsPeers = ['haproxy-tls', 'envoy']
const allPeers = [...tlsPeers, 'ztunnel']

/**
 * The streams relay (Node's own streams and TLS): what it must not fall below. Node's streams are known to cost more
 * than a proxy in C; these floors are where the measurements were less a tolerance, so that a change that makes it
 * slower is seen.
 */
const streamsGoals: readonly Goal[] = [
]

export const goals: readonly Goal[] = [...streamsGoals]

export function judge (results: Results, wanted: readonly Goal[] = goals): GoalOutcome[] {
  return wanted.map(goal => outcomeOf(goal, results))
}

/** Whether something was judged, and nothing was missed. */
export function passed (outcomes: readonly GoalOutcome[]): boolean {
  return outcomes.some(({ state }) => state === 'reached') && outcomes.every(({ state }) => state !== 'MISSED')
}

function outcomeOf (goal: Goal, results: Results): GoalOutcome {
  const own = results[goal.variant]?.[goal.figure]?.median
  if (goal.against === 'limit') {
    if (own === undefined) return { goal, reached: undefined, state: 'not measured', best: undefined }
    return { goal, reached: own, state: own <= goal.reach ? 'reached' : 'MISSED', best: undefined }
  }
  const others = goal.against.flatMap(name => {
    const value = results[name]?.[goal.figure]?.median
    return value === undefined || own === undefined ? [] : [{ name, times: advantage(goal.figure, own, value) }]
  })
  const [best] = others.sort((a, b) => a.times - b.times)
  if (best === undefined) return { goal, reached: undefined, state: 'not measured', best: undefined }
  return { goal, reached: best.times, state: best.times >= goal.reach ? 'reached' : 'MISSED', best: best.name }
}
