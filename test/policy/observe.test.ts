import t from 'tap'
import { accessPolicy, decide, networkPolicy, question, setOf, unverified, verified } from './world.ts'

const annotated = (object: object): object => ({ ...object, metadata: { ...(object as { metadata: object }).metadata, annotations: { 'liburna.io/enforcement': 'observe' } } })

t.test('an observing rule decides nothing and is reported', async t => {
  const decision = decide([accessPolicy({ ingress: [{ action: 'observe' }] })], question(unverified()))
  t.match(decision, { action: 'allow', decidedBy: { kind: 'default' }, observed: { action: 'deny', decidedBy: { kind: 'AccessPolicy', name: 'ap', rule: 'ingress[0]' } } })
})

t.test('it may observe an allow: what an isolated pod would then take', async t => {
  const policies = [networkPolicy({ podSelector: {} }), accessPolicy({ ingress: [{ action: 'observe', observes: 'allow' }] })]
  t.match(decide(policies, question(unverified())), { action: 'deny', observed: { action: 'allow', decidedBy: { kind: 'AccessPolicy' } } })
})

t.test('a rule that only observes an allow isolates nobody', async t => {
  t.match(decide([accessPolicy({ ingress: [{ action: 'observe', observes: 'allow', from: [{ podSelector: {} }] }] })], question(unverified())), { action: 'allow', observed: { action: 'allow' } })
})

t.test('a whole policy in dry run reports its isolation too', async t => {
  const policy = accessPolicy({ enforcement: 'observe', ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }] }] })
  t.match(decide([policy], question(verified())), { action: 'allow', observed: { action: 'deny', decidedBy: { name: 'ap', rule: '' } } })
  t.match(decide([policy], question(verified({ labels: { app: 'api' } }))), { action: 'allow', observed: { action: 'allow', decidedBy: { rule: 'ingress[0]' } } })
})

t.test('any kind can be a dry run by annotation', async t => {
  t.match(decide([annotated(networkPolicy({ podSelector: {} }))], question(unverified())), { action: 'allow', observed: { action: 'deny', decidedBy: { kind: 'NetworkPolicy' } } })
})

t.test('without anything that observes the pod there is no observation', async t => {
  t.equal(decide([networkPolicy({ podSelector: {} })], question(unverified())).observed, undefined)
  const egressOnly = accessPolicy({ egress: [{ action: 'observe' }] })
  t.equal(decide([egressOnly], question(unverified())).observed, undefined)
})

t.test('explain tells the walk as it was and as it would be', async t => {
  const set = setOf([accessPolicy({ ingress: [{ action: 'observe' }, { action: 'deny', from: [{ namespaces: ['x'] }] }] }), networkPolicy({ podSelector: { matchLabels: { app: 'db' } } }, 'db')])
  t.match(set.explain(question(verified())), {
    decision: { action: 'allow' },
    steps: [{ layer: 'access', rule: { rule: 'ingress[1]' }, matched: false, why: 'namespace shop is not in (x)' }],
    observedSteps: [{ rule: { rule: 'ingress[0]' }, matched: true, observe: true }],
    others: [{ policy: { name: 'db' }, why: 'label app=db does not hold: it is "web"' }],
  })
})
