import t from 'tap'
import { fateOf, parseManifests } from '../../src/policy/index.ts'
import { accessPolicy, clusterPolicy, decide, networkPolicy, pod, question, setOf, unverified, verified } from './world.ts'

const api = verified({ labels: { app: 'api' } })
const digest = `sha256:${'ab'.repeat(32)}`

t.test('an allow rule isolates its direction and allows what it names', async t => {
  const policy = accessPolicy({ subject: { podSelector: { matchLabels: { app: 'web' } } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }], ports: [{ port: 80 }] }] })
  t.match(decide([policy], question(api)), { action: 'allow', layer: 'access', decidedBy: { kind: 'AccessPolicy', namespace: '', name: 'ap', rule: 'ingress[0]' } })
  t.equal(decide([policy], question(api, { port: 81 })).action, 'deny')
  t.equal(decide([policy], question(verified())).action, 'deny')
  t.equal(decide([policy], question(verified(), { direction: 'egress' })).action, 'allow')
  t.equal(decide([policy], question(verified(), { subject: pod({ labels: { app: 'db' } }) })).action, 'allow')
})

t.test('allows of AccessPolicy and NetworkPolicy are united', async t => {
  const deny = networkPolicy({ podSelector: {} })
  t.equal(decide([deny, accessPolicy({ ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }] }] })], question(api)).action, 'allow')
  t.equal(decide([networkPolicy({ podSelector: {}, ingress: [{}] }), accessPolicy({ ingress: [{ from: [{ namespaces: ['other'] }] }] })], question(api)).action, 'allow')
})

t.test('a deny comes before every allow of NetworkPolicy and AccessPolicy, and isolates nobody else', async t => {
  const policy = accessPolicy({ ingress: [{ from: [{ podSelector: {} }] }, { action: 'deny', from: [{ podSelector: { matchLabels: { app: 'api' } } }] }], isolates: [] })
  t.match(decide([policy, networkPolicy({ podSelector: {}, ingress: [{}] })], question(api)), { action: 'deny', layer: 'access', decidedBy: { rule: 'ingress[1]' } })
  t.equal(decide([policy], question(unverified())).action, 'allow')
})

t.test('the admin tier comes before it', async t => {
  const denied = accessPolicy({ ingress: [{ action: 'deny' }] })
  t.equal(decide([clusterPolicy([{ action: 'Accept', from: [{ namespaces: {} }] }]), denied], question(api)).action, 'allow')
})

t.test('subjects and peers by namespace, service account, image, and label prefix', async t => {
  const policy = (peer: object): object => accessPolicy({ subject: { namespaces: ['shop'], serviceAccounts: ['default'] }, ingress: [{ from: [peer] }] })
  const peer = verified({ namespace: 'ops', serviceAccount: 'probe', images: [digest], labels: { app: 'probe-7' } })
  t.equal(decide([policy({ namespaces: ['ops'], serviceAccounts: ['probe'] })], question(peer)).action, 'allow')
  t.equal(decide([policy({ namespaces: ['ops'], serviceAccounts: ['other'] })], question(peer)).action, 'deny')
  t.equal(decide([policy({ images: [digest] })], question(peer)).action, 'allow')
  t.equal(decide([policy({ images: [`sha256:${'cd'.repeat(32)}`] })], question(peer)).action, 'deny')
  t.equal(decide([policy({ podSelector: { matchExpressions: [{ key: 'app', operator: 'StartsWith', values: ['probe-'] }] } })], question(peer)).action, 'allow')
  t.equal(decide([policy({ podSelector: { matchExpressions: [{ key: 'app', operator: 'StartsWith', values: ['x', 'probe-8'] }] } })], question(peer)).action, 'deny')
  t.equal(decide([accessPolicy({ subject: { images: [digest] }, ingress: [{ action: 'deny' }] })], question(peer)).action, 'allow')
})

t.test('external peers by CIDR', async t => {
  const policy = accessPolicy({ ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }] })
  t.equal(decide([policy], question(unverified())).action, 'allow')
  t.equal(decide([policy], question(unverified('198.51.100.1'))).action, 'deny')
})

t.test('a required mode is asked of every allow, whoever allows', async t => {
  const policies = [accessPolicy({ ingress: [{ mode: 'authenticate' }, { from: [{ podSelector: { matchLabels: { app: 'api' } } }], mode: 'encrypt' }] }), networkPolicy({ podSelector: {}, ingress: [{}] })]
  const as = (mode: 'encrypt' | 'authenticate' | 'plain', peer = api): string => decide(policies, question(peer, { mode })).action
  t.same([as('encrypt'), as('authenticate'), as('plain')], ['allow', 'deny', 'deny'])
  t.same([as('authenticate', verified()), as('plain', unverified())], ['allow', 'deny'])
  t.match(decide(policies, question(api, { mode: 'authenticate' })), { layer: 'mode', decidedBy: { rule: 'ingress[1]' }, reason: 'AccessPolicy ap ingress[1] requires encrypt, the connection is authenticate' })
  t.match(decide(policies, question(api)), { action: 'allow', requiredMode: 'encrypt' }, 'offline it is only told')
})

t.test('what becomes of a live connection: the denying rule says, else the one that had allowed', async t => {
  const allow = decide([accessPolicy({ onChange: 'drain', drainSeconds: 5, ingress: [{}] })], question(api))
  const quiet = decide([networkPolicy({ podSelector: {} })], question(api))
  const loud = decide([accessPolicy({ onChange: 'close', ingress: [{ action: 'deny' }] })], question(api))
  t.same(fateOf(allow, quiet), { kind: 'drain', forMs: 5000 })
  t.same(fateOf(allow, loud), { kind: 'close' })
  t.same(fateOf(quiet, quiet), { kind: 'close' })
  t.same(decide([accessPolicy({ onChange: 'drain', ingress: [{}] })], question(api)).entry?.onChange, { kind: 'drain', forMs: 30_000 })
})

t.test('the description shows up in the reason', async t => {
  t.equal(decide([accessPolicy({ description: 'ticket 7', ingress: [{ name: 'everyone' }] })], question(api)).reason, 'allowed by AccessPolicy ap ingress[0] (everyone: ticket 7)')
})

t.test('which labels mattered: of the rule that decided, or of those that came near', async t => {
  const policy = accessPolicy({ ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }], matchLabels: { app: 'api' } } }] }] })
  t.same(decide([policy], question(api)).peerLabels, ['app', 'tier'])
  t.same(decide([policy], question(verified())).peerLabels, ['app', 'tier'])
  t.same(decide([], question(api)).peerLabels, [])
})

t.test('a label that is not signed is reported and fails closed', async t => {
  const parse = (action: string): ReturnType<typeof parseManifests> => parseManifests([accessPolicy({ isolates: [], ingress: [{ action, from: [{ podSelector: { matchExpressions: [{ key: 'hash', operator: 'DoesNotExist' }, { key: 'app', operator: 'In', values: ['api'] }] } }] }] })], { unsignedLabels: ['hash'] })
  const { findings, policies } = parse('allow')
  t.match(findings, [{ kind: 'AccessPolicy', name: 'ap', path: 'ingress[0]', reason: /label hash, which is not signed/ }])
  const set = setOf([networkPolicy({ podSelector: {} })])
  set.apply({ put: policies })
  t.equal(set.decide(question(api)).action, 'deny')
  const denying = setOf([])
  denying.apply({ put: parse('deny').policies })
  t.equal(denying.decide(question(api)).action, 'deny')
  t.equal(denying.decide(question(verified())).action, 'allow', 'the other requirements still count')
})

t.test('what the schema of the CRD cannot say is refused too', async t => {
  const refused: readonly [object, RegExp][] = [
    [{ ingress: [{ from: [] }] }, /from$/], [{ ingress: [{ ports: [] }] }, /ports$/], [{ ingress: [{ from: [{}] }] }, /from\[0\]$/],
    [{ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] }, /from\[0\]$/],
    [{ ingress: [{ from: [{ fqdns: ['a.io'] }] }] }, /fqdns$/], [{ egress: [{ action: 'deny', to: [{ fqdns: ['a.io'] }] }] }, /fqdns$/],
    [{ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], mode: 'encrypt' }] }, /mode$/], [{ ingress: [{ action: 'deny', mode: 'encrypt' }] }, /mode$/],
    [{ ingress: [{ observes: 'deny' }] }, /observes$/], [{ drainSeconds: 3 }, /drainSeconds$/], [{ onChange: 'drain', drainSeconds: 0 }, /drainSeconds$/],
    [{ active: { from: '2026-01-01' } }, /from$/], [{ active: { from: '2026-01-02T00:00:00Z', until: '2026-01-02T00:00:00Z' } }, /until$/],
    [{ ingress: [{ from: [{ spiffeIds: ['spiffe://*/ns/a/sa/b'] }] }] }, /spiffeIds\[0\]$/], [{ ingress: [{ from: [{ images: ['nginx:latest'] }] }] }, /images\[0\]$/],
    [{ enforcement: 'maybe' }, /enforcement$/], [{ typo: 1 }, /typo$/], [{ subject: { namespaces: [] } }, /namespaces$/],
    [{ active: { weekly: [{ start: '24:00', end: '08:00' }] } }, /start$/],
  ]
  for (const [spec, path] of refused) t.match(parseManifests([accessPolicy(spec)]).invalid[0]?.path, path, JSON.stringify(spec))
  t.match(parseManifests([{ ...accessPolicy({}), metadata: { name: 'a', namespace: 'b' } }]).invalid[0], { path: 'metadata.namespace' })
})
