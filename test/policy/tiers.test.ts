import t from 'tap'
import { parseManifests } from '../../src/policy/index.ts'
import { clusterPolicy, decide, networkPolicy, pod, question, setOf, unverified, verified } from './world.ts'

const from = [{ namespaces: {} }]
const allowAll = networkPolicy({ podSelector: {}, ingress: [{}] }, 'allow-all')
const denyAll = networkPolicy({ podSelector: {}, ingress: [] }, 'deny-all')
const accept = { action: 'Accept', from }
const deny = { action: 'Deny', from }
const pass = { action: 'Pass', from }

function anp (priority: number, action: string, name = 'anp'): object {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind: 'AdminNetworkPolicy', metadata: { name }, spec: { priority, subject: { namespaces: {} }, ingress: [{ action, from }] } }
}

function banp (rules: object[]): object {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind: 'BaselineAdminNetworkPolicy', metadata: { name: 'default' }, spec: { subject: { namespaces: {} }, ingress: rules } }
}

t.test('the admin tier decides before NetworkPolicy, both ways', async t => {
  t.match(decide([clusterPolicy([accept]), denyAll], question(verified())), { action: 'allow', layer: 'admin', decidedBy: { kind: 'ClusterNetworkPolicy', name: 'cnp', rule: 'ingress[0]' } })
  t.match(decide([clusterPolicy([deny]), allowAll], question(verified())), { action: 'deny', layer: 'admin' })
})

t.test('an admin policy without a matching rule denies nothing', async t => {
  t.equal(decide([clusterPolicy([{ action: 'Accept', from: [{ namespaces: { matchLabels: { team: 'x' } } }] }])], question(verified())).action, 'allow')
})

t.test('a lower priority number comes first; within a policy the first rule', async t => {
  t.equal(decide([clusterPolicy([deny], { name: 'a', priority: 7 }), clusterPolicy([accept], { name: 'b', priority: 6 })], question(verified())).action, 'allow')
  t.equal(decide([clusterPolicy([deny, accept])], question(verified())).action, 'deny')
})

t.test('pass leaves the whole tier, also policies of a higher number', async t => {
  const policies = [clusterPolicy([pass, deny], { name: 'a', priority: 1 }), clusterPolicy([deny], { name: 'b', priority: 2 }), allowAll]
  t.match(decide(policies, question(verified())), { action: 'allow', decidedBy: { kind: 'NetworkPolicy' } })
})

t.test('equal priorities: kind, then name, whatever the order of arrival', async t => {
  const policies = [clusterPolicy([deny], { name: 'a' }), clusterPolicy([accept], { name: 'b' }), anp(10, 'Allow', 'z')]
  for (const order of [policies, policies.toReversed()]) {
    t.match(decide(order, question(verified())), { action: 'allow', decidedBy: { kind: 'AdminNetworkPolicy', name: 'z' } })
    t.match(decide(order.filter(one => one !== policies[2]), question(verified())), { action: 'deny', decidedBy: { name: 'a' } })
  }
})

t.test('equal priorities: nor on the order in which single changes come', async t => {
  const [a, b] = [clusterPolicy([deny], { name: 'a' }), clusterPolicy([accept], { name: 'b' })].map(one => parseManifests([one]).policies)
  for (const order of [[a, b], [b, a]]) {
    const store = setOf([])
    for (const put of order) store.apply({ put: put ?? [] })
    t.match(store.decide(question(verified())), { decidedBy: { name: 'a' } })
  }
})

t.test('baseline is asked only where no NetworkPolicy isolates', async t => {
  t.equal(decide([clusterPolicy([deny], { tier: 'Baseline' })], question(verified())).action, 'deny')
  t.equal(decide([clusterPolicy([deny], { tier: 'Baseline' }), allowAll], question(verified())).action, 'allow')
  t.match(decide([clusterPolicy([accept], { tier: 'Baseline' }), denyAll], question(verified())), { action: 'deny', layer: 'network' })
})

t.test('several baseline policies: by priority, the BaselineAdminNetworkPolicy last', async t => {
  const policies = [banp([{ action: 'Deny', from }]), clusterPolicy([accept], { name: 'b', tier: 'Baseline', priority: 1000 }), clusterPolicy([deny], { name: 'c', tier: 'Baseline', priority: 1000 })]
  t.match(decide(policies, question(verified())), { action: 'allow', decidedBy: { name: 'b' } })
  t.match(decide(policies.slice(0, 1), question(verified())), { action: 'deny', decidedBy: { kind: 'BaselineAdminNetworkPolicy' } })
})

t.test('pass in baseline leaves to the default, past the BaselineAdminNetworkPolicy', async t => {
  const decision = decide([clusterPolicy([pass], { tier: 'Baseline' }), banp([{ action: 'Deny', from }])], question(verified()))
  t.match(decision, { action: 'allow', layer: 'default', reason: 'default allow: no policy that selects the pod decides this direction' })
})

t.test('an AdminNetworkPolicy of the same tier is asked by priority beside ClusterNetworkPolicies', async t => {
  t.match(decide([clusterPolicy([accept], { priority: 5 }), anp(4, 'Deny')], question(verified())), { action: 'deny', decidedBy: { kind: 'AdminNetworkPolicy' } })
})

t.test('admin peers never match an unverified peer, not even namespaces: {}', async t => {
  t.equal(decide([clusterPolicy([accept]), denyAll], question(unverified())).action, 'deny')
})

t.test('a peer with no known field fails closed: Accept matches nothing, Deny and Pass deny everything', async t => {
  for (const peer of [{}, { galaxies: {} }, null]) {
    t.equal(decide([clusterPolicy([{ action: 'Accept', from: [peer, { namespaces: {} }] }]), denyAll], question(verified())).action, 'deny')
    for (const action of ['Deny', 'Pass']) t.match(decide([clusterPolicy([{ action, from: [peer], protocols: [{ tcp: { destinationPort: { number: 1 } } }] }]), allowAll], question(unverified())), { action: 'deny', layer: 'admin' })
  }
})

t.test('a protocol with no known field fails closed too', async t => {
  t.equal(decide([clusterPolicy([{ ...accept, protocols: [{ quic: {} }] }]), denyAll], question(verified())).action, 'deny')
  t.equal(decide([clusterPolicy([{ ...pass, protocols: [{}] }]), allowAll], question(verified())).action, 'deny')
})

t.test('AdminNetworkPolicy ports: number, range, name', async t => {
  const rule = (port: object): object => ({ ...anp(1, 'Deny') as object, spec: { priority: 1, subject: { namespaces: {} }, ingress: [{ action: 'Deny', from, ports: [port] }] } })
  const asked = question(verified(), { port: 8080, destinationPorts: [{ name: 'http', port: 8080, protocol: 'TCP' }] })
  const denied = (port: object): boolean => decide([rule(port)], asked).action === 'deny'
  t.equal(denied({ portNumber: { port: 8080 } }), true)
  t.equal(denied({ portNumber: { protocol: 'UDP', port: 8080 } }), false)
  t.equal(denied({ portRange: { start: 8000, end: 8080 } }), true)
  t.equal(denied({ portRange: { protocol: 'TCP', start: 8081, end: 9000 } }), false)
  t.equal(denied({ namedPort: 'http' }), true)
  t.equal(denied({ namedPort: 'https' }), false)
  t.equal(decide([rule({ namedPort: 'http' })], { ...asked, protocol: 'UDP' }).action, 'allow', 'the name is of another protocol')
})

t.test('each direction decides for itself', async t => {
  const set = setOf([clusterPolicy([{ action: 'Deny', to: [{ namespaces: {} }] }], { direction: 'egress' })])
  const subject = pod({ name: 'web' })
  t.equal(set.decide(question(verified(), { subject })).action, 'allow')
  t.equal(set.decide(question(verified(), { subject, direction: 'egress' })).action, 'deny')
})
