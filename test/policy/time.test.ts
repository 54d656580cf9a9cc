import t from 'tap'
import { isActive, nextChange } from '../../src/policy/active-time.ts'
import { accessPolicy, clusterPolicy, decide, noon, question, setOf, unverified, verified } from './world.ts'

const hour = 3_600_000
const at = (ms: number): string => new Date(ms).toISOString()

t.test('the first millisecond is inside, the last moment is outside', async t => {
  const policy = accessPolicy({ active: { from: at(noon), until: at(noon + hour) }, ingress: [{}] })
  const asked = (nowMs: number): string => decide([policy], question(unverified(), { nowMs })).action
  t.same([noon - 1, noon, noon + hour - 1, noon + hour].map(asked), ['deny', 'allow', 'allow', 'deny'])
})

t.test('what expires is the rule, never the isolation', async t => {
  const expired = accessPolicy({ active: { until: at(noon) }, ingress: [{ from: [{ podSelector: {} }] }] })
  t.match(decide([expired], question(verified())), { action: 'deny', reason: /not active at this time/ })
})

t.test('an expired deny denies no more', async t => {
  t.equal(decide([accessPolicy({ active: { until: at(noon) }, ingress: [{ action: 'deny' }] })], question(verified())).action, 'allow')
})

t.test('the set tells when an answer may change next', async t => {
  const set = setOf([
    accessPolicy({ active: { from: at(noon), until: at(noon + 2 * hour) }, ingress: [{}] }, 'a'),
    accessPolicy({ active: { until: at(noon + hour) }, ingress: [{}] }, 'b'),
    clusterPolicy([{ action: 'Deny', from: [{ namespaces: {} }] }]),
  ])
  t.same([noon - 1, noon, noon + hour, noon + 2 * hour].map(now => set.nextChangeMs(now)), [noon, noon + hour, noon + 2 * hour, Infinity])
  set.apply({ remove: [{ kind: 'AccessPolicy', namespace: '', name: 'b' }] })
  t.equal(set.nextChangeMs(noon), noon + 2 * hour)
})

t.test('weekly windows, also past midnight', async t => {
  // noon is a Monday.
  const weekly = { fromMs: -Infinity, untilMs: Infinity, weekly: [{ days: 1 << 1, startMinute: 22 * 60, endMinute: 2 * 60 }] }
  t.same([9, 10, 13.99, 14].map(hours => isActive(weekly, noon + hours * hour)), [false, true, true, false])
  t.equal(isActive(weekly, noon + 10 * hour + 24 * hour), false, 'not on Tuesday')
  t.equal(nextChange(weekly, noon), noon + 10 * hour)
  t.equal(nextChange(weekly, noon + 10 * hour), noon + 14 * hour)
  t.equal(nextChange(weekly, noon + 14 * hour), noon + 7 * 24 * hour + 10 * hour)
})
