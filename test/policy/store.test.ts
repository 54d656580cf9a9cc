import t from 'tap'
import { parseManifests } from '../../src/policy/index.ts'
import { networkPolicy, pod, question, setOf, unverified } from './world.ts'

const deny = networkPolicy({ podSelector: { matchLabels: { app: 'web' } } }, 'one')
const open = networkPolicy({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }, 'one')
const ref = { kind: 'NetworkPolicy', namespace: 'shop', name: 'one' }
const asked = question(unverified())

t.test('a change is seen by the next question about the same workload object', async t => {
  const set = setOf([])
  const verdicts = [set.decide(asked).action]
  set.apply({ put: parseManifests([deny]).policies })
  verdicts.push(set.decide(asked).action)
  set.apply({ put: parseManifests([open]).policies })
  verdicts.push(set.decide(asked).action)
  set.apply({ put: parseManifests([deny]).policies })
  set.apply({ remove: [ref] })
  verdicts.push(set.decide(asked).action)
  t.same(verdicts, ['allow', 'deny', 'allow', 'allow'])
})

t.test('every change gives a new revision', async t => {
  const set = setOf([])
  const { revision } = set
  set.apply({ remove: [ref] })
  t.ok(set.revision > revision)
})

t.test('a new version that selects another workload no longer selects the old one', async t => {
  const set = setOf([deny])
  set.apply({ put: parseManifests([networkPolicy({ podSelector: { matchLabels: { app: 'db' } } }, 'one')]).policies })
  t.equal(set.decide(asked).action, 'allow')
  t.equal(set.decide({ ...asked, subject: pod({ labels: { app: 'db' } }) }).action, 'deny')
})

t.test('a changed label is a new workload object, and is judged anew', async t => {
  const set = setOf([deny])
  t.equal(set.decide(asked).action, 'deny')
  t.equal(set.decide({ ...asked, subject: pod({ name: 'web', labels: { app: 'web2' } }) }).action, 'allow')
})

t.test('which policies select a workload', async t => {
  const set = setOf([deny, networkPolicy({ podSelector: {} }, 'all'), networkPolicy({ podSelector: {} }, 'other', 'ops'), networkPolicy({ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'web', 'db'] }] } }, 'in')])
  t.same(set.selecting(asked.subject).map(policy => policy.ref.name), ['all', 'in', 'one'])
})

t.test('label keys that are names of Object.prototype are only labels', async t => {
  const set = setOf([networkPolicy({ podSelector: { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] } })])
  t.equal(set.decide(asked).action, 'allow')
  t.equal(set.decide({ ...asked, subject: pod({ labels: { constructor: 'x' } }) }).action, 'deny')
})

t.test('a denial names at most three near misses, the one that only differs in the port first', async t => {
  const rule = (app: string, port: number): object => ({ from: [{ namespaceSelector: { matchLabels: { app } } }], ports: [{ port }] })
  const set = setOf([networkPolicy({ podSelector: {}, ingress: [rule('a', 1), rule('b', 80), { ports: [{ port: 81 }] }, rule('c', 2), rule('d', 80)] })])
  const { nearest, reason } = set.decide(asked)
  t.same(nearest.map(({ rule }) => rule.rule), ['ingress[2]', 'ingress[1]', 'ingress[4]'])
  t.match(reason, /nearest: NetworkPolicy shop\/np ingress\[2\]: TCP port 80 is not TCP 81/)
})
