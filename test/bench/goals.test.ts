import t from 'tap'
import { judge, passed } from '../../bench/goals.ts'
import { resultsOf } from '../../bench/results.ts'
import type { Reading } from '../../bench/campaign.ts'
import type { Goal } from '../../bench/goals.ts'
import type { Sample } from '../../bench/figures.ts'

function reading (variant: string, sample: Sample, doubts: readonly string[] = []): Reading {
  return { variant, trial: 'any', round: 1, sample, doubts, cpu: [] }
}

function results (readings: readonly Reading[]): ReturnType<typeof resultsOf> {
  return resultsOf(readings, ['ours', 'one', 'two'])
}

t.test('a figure is the median of its rounds, and half the range is its spread', t => {
  const { ours } = results([300, 100, 200].map(value => reading('ours', { connections: value })))
  t.same(ours?.connections, { median: 200, spread: 0.5, rounds: 3, doubtful: false })
  t.end()
})

t.test('failed trials are not in the median, and a doubt stays with the figure', t => {
  const { ours } = results([reading('ours', { connections: 10 }), reading('ours', {}, ['failed']), reading('ours', { connections: 20 }, ['1 read errors'])])
  t.same(ours?.connections, { median: 15, spread: 1 / 3, rounds: 2, doubtful: true })
  t.end()
})

const cases: readonly { readonly name: string, readonly goal: Goal, readonly state: string, readonly reached?: number, readonly best?: string }[] = [
  { name: 'more than the best of the others', goal: { figure: 'connections', variant: 'ours', against: ['one', 'two'], reach: 1.5 }, state: 'reached', reached: 1.5, best: 'two' },
  { name: 'less than the best of the others', goal: { figure: 'connections', variant: 'ours', against: ['one', 'two'], reach: 1.6 }, state: 'MISSED', reached: 1.5, best: 'two' },
  { name: 'a lower latency is better', goal: { figure: 'latency-1-p50', variant: 'ours', against: ['one'], reach: 2 }, state: 'reached', reached: 2, best: 'one' },
  { name: 'below a limit', goal: { figure: 'memory-idle', variant: 'ours', against: 'limit', reach: 80 }, state: 'reached', reached: 80 },
  { name: 'above a limit', goal: { figure: 'memory-idle', variant: 'ours', against: 'limit', reach: 79 }, state: 'MISSED', reached: 80 },
  { name: 'none of the others was measured', goal: { figure: 'connections', variant: 'ours', against: ['three'], reach: 1 }, state: 'not measured' },
  { name: 'not measured itself', goal: { figure: 'throughput-1', variant: 'ours', against: ['one'], reach: 1 }, state: 'not measured' },
]

const measured = results([
  reading('ours', { 'connections': 300, 'latency-1-p50': 50, 'memory-idle': 80 }),
  reading('one', { 'connections': 100, 'latency-1-p50': 100, 'throughput-1': 1 }),
  reading('two', { connections: 200 }),
])

for (const { name, goal, state, reached, best } of cases) {
  t.test(`a goal: ${name}`, t => {
    t.match(judge(measured, [goal])[0], { state, reached, best })
    t.end()
  })
}

t.test('the check passes when something was judged and nothing missed', t => {
  const [good, missed, , , , unmeasured] = judge(measured, cases.map(({ goal }) => goal))
  if (good === undefined || missed === undefined || unmeasured === undefined) throw new Error('as many outcomes as goals')
  t.same([passed([good, unmeasured]), passed([good, missed]), passed([unmeasured]), passed([])], [true, false, false, false])
  t.end()
})
