import t from 'tap'
import { decide, networkPolicy, question, unverified, verified } from './world.ts'

t.test('without a policy everything is allowed, and the reason says so', async t => {
  const decision = decide([], question(unverified()))
  t.match(decision, { action: 'allow', decidedBy: { kind: 'default' }, reason: 'default allow: no policy selects the pod' })
})

t.test('the rule that allows is named', async t => {
  const policy = networkPolicy({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }] }] }, 'allow-api')
  t.match(decide([policy], question(verified({ labels: { app: 'api' } }))), {
    action: 'allow',
    decidedBy: { kind: 'NetworkPolicy', namespace: 'shop', name: 'allow-api', rule: 'ingress[0]' },
    reason: 'allowed by NetworkPolicy shop/allow-api ingress[0]',
  })
  t.match(decide([policy], question(verified({ labels: { app: 'db' } }))), {
    action: 'deny',
    decidedBy: { kind: 'NetworkPolicy', namespace: 'shop', name: 'allow-api', rule: '' },
    reason: 'isolated by NetworkPolicy shop/allow-api: no rule matched (nearest: NetworkPolicy shop/allow-api ingress[0]: label app=api does not hold: it is "db")',
  })
})

t.test('no selector, not even an empty one, matches a peer without a proven identity', async t => {
  const policy = networkPolicy({ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }, { podSelector: {} }] }] })
  t.equal(decide([policy], question(verified())).action, 'allow')
  t.equal(decide([policy], question(unverified('10.0.0.9'))).action, 'deny')
})

t.test('an absent or empty from matches everyone, also the unverified', async t => {
  for (const rule of [{}, { from: [] }, { from: null }]) t.equal(decide([networkPolicy({ podSelector: {}, ingress: [rule] })], question(unverified())).action, 'allow')
})

t.test('an absent namespaceSelector means the own namespace', async t => {
  const policy = networkPolicy({ podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] })
  t.equal(decide([policy], question(verified({ namespace: 'shop' }))).action, 'allow')
  t.equal(decide([policy], question(verified({ namespace: 'other' }))).action, 'deny')
})

t.test('ports: [] means all ports; a UDP rule isolates TCP', async t => {
  t.equal(decide([networkPolicy({ podSelector: {}, ingress: [{ ports: [] }] })], question(unverified())).action, 'allow')
  t.equal(decide([networkPolicy({ podSelector: {}, ingress: [{ ports: [{ protocol: 'UDP' }] }] })], question(unverified())).action, 'deny')
})

t.test('a named port is resolved on the destination, by name and protocol', async t => {
  const policy = networkPolicy({ podSelector: {}, ingress: [{ ports: [{ port: 'http' }] }] })
  const ports = [{ name: 'http', port: 8080, protocol: 'TCP' as const }, { name: 'dns', port: 80, protocol: 'TCP' as const }]
  t.equal(decide([policy], question(verified(), { port: 8080, destinationPorts: ports })).action, 'allow')
  t.equal(decide([policy], question(verified(), { port: 80, destinationPorts: ports })).action, 'deny')
  t.equal(decide([policy], question(verified(), { port: 8080, protocol: 'UDP', destinationPorts: ports })).action, 'deny')
  t.equal(decide([policy], question(verified(), { port: 8080 })).action, 'deny')
})

t.test('only the listed directions are isolated', async t => {
  const policy = networkPolicy({ podSelector: {}, policyTypes: ['Egress'] })
  t.equal(decide([policy], question(unverified())).action, 'allow')
  t.equal(decide([policy], question(unverified(), { direction: 'egress' })).action, 'deny')
})
