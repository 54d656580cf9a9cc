import t from 'tap'
import { compile, parseManifests } from '../../src/policy/index.ts'
import { accessPolicy, clusterPolicy, networkPolicy, pod, question, unverified, verified } from './world.ts'
import type { PolicyDirection } from '../../src/policy/index.ts'

const web = pod({ name: 'web', labels: { app: 'web' } })
const db = pod({ name: 'db', labels: { app: 'db' } })
const badRule = { from: [{ ipBlock: { cidr: 'nowhere' } }] }

/** The verdict about an unverified peer with these manifests, though some are invalid. */
function verdict (manifests: unknown[], subject = web, direction: PolicyDirection = 'ingress', peer = unverified()): string {
  const { policies, invalid } = parseManifests(manifests)
  if (invalid.length === 0) throw new Error('the manifests are valid')
  return compile(policies).decide(question(peer, { subject, direction })).action
}

t.test('each problem tells object, path, value and reason', async t => {
  const { invalid } = parseManifests([networkPolicy({ podSelector: {}, ingress: [badRule] }, 'bad')])
  t.same(invalid, [{ kind: 'NetworkPolicy', namespace: 'shop', name: 'bad', path: 'spec.ingress[0].from[0].ipBlock.cidr', value: '"nowhere"', reason: 'a CIDR is expected, e.g. 10.0.0.0/8 or fd00::/8' }])
})

t.test('an invalid NetworkPolicy isolates its subject in the directions it names, and only there', async t => {
  const bad = networkPolicy({ podSelector: { matchLabels: { app: 'web' } }, ingress: [badRule, {}] }, 'bad')
  t.equal(verdict([bad]), 'deny')
  t.equal(verdict([bad], db), 'allow')
  t.equal(verdict([bad], web, 'egress'), 'allow')
  t.equal(verdict([networkPolicy({ podSelector: {}, policyTypes: ['Egress'], ingress: [badRule] }, 'bad')]), 'allow')
})

t.test('what other policies allow stays allowed beside an invalid NetworkPolicy', async t => {
  const bad = networkPolicy({ podSelector: {}, ingress: [badRule] }, 'bad')
  t.equal(verdict([bad, networkPolicy({ podSelector: {}, ingress: [{}] }, 'good')]), 'allow')
})

t.test('what cannot be read is taken for its widest', async t => {
  t.equal(verdict([networkPolicy({ podSelector: { matchLabels: 7 } }, 'bad')], db), 'deny', 'subject')
  t.equal(verdict([networkPolicy({ podSelector: { matchLabels: { app: 'web' }, matchExpressions: [7] } }, 'bad')], db), 'deny', 'a subject of which only a part can be read')
  t.equal(verdict([networkPolicy({ podSelector: {}, policyTypes: ['Both'] }, 'bad')], web, 'egress'), 'deny', 'policyTypes')
  t.equal(verdict([networkPolicy({ podSelector: {}, egres: [] }, 'bad')], web, 'egress'), 'deny', 'unknown field')
  t.equal(verdict([networkPolicy({ podSelector: {}, ingress: [], egress: 7 }, 'bad')], web, 'egress'), 'deny', 'rules')
  t.equal(verdict([{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bad', namespace: 'shop' } }], web, 'egress'), 'deny', 'spec')
  t.equal(verdict([{ ...networkPolicy({ podSelector: {}, ingress: [{}] }, 'bad'), apiVersion: 'networking.k8s.io/v9' }]), 'deny', 'version')
})

t.test('an invalid admin policy denies its subject everything at its place in the order', async t => {
  const bad = clusterPolicy([{ action: 'Deny', from: [{ namespaces: { matchLabels: { '-': 'x' } } }] }], { name: 'bad', priority: 5, subject: { pods: { podSelector: { matchLabels: { app: 'web' } } } } })
  const accept = (priority: number): object => clusterPolicy([{ action: 'Accept', from: [{ namespaces: {} }] }], { name: 'good', priority })
  t.equal(verdict([bad, networkPolicy({ podSelector: {}, ingress: [{}] })]), 'deny')
  t.equal(verdict([bad], db), 'allow')
  t.equal(verdict([bad], web, 'egress'), 'allow')
  t.equal(verdict([bad, accept(4)], web, 'ingress', verified()), 'allow')
  t.equal(verdict([bad, accept(6)], web, 'ingress', verified()), 'deny')
  t.equal(verdict([clusterPolicy([{ action: 'Accept', from: [{ namespaces: {} }] }], { name: 'bad', priority: -3 }), accept(0)], web, 'ingress', verified()), 'deny', 'unreadable priority: before all')
})

t.test('an AccessPolicy that could only allow isolates, one that may deny denies', async t => {
  const open = networkPolicy({ podSelector: {}, ingress: [{}] })
  t.equal(verdict([accessPolicy({ ingress: [badRule] }), open]), 'allow')
  t.equal(verdict([accessPolicy({ ingress: [badRule] })]), 'deny')
  t.equal(verdict([accessPolicy({ ingress: [{ action: 'deny', ...badRule }] }), open]), 'deny')
  t.equal(verdict([accessPolicy({ ingress: [{ action: 'dney' }] }), open]), 'deny')
  t.equal(verdict([accessPolicy({ enforcement: 'observe', ingress: [{ action: 'deny', ...badRule }] })]), 'allow', 'a dry run decides nothing')
  t.equal(verdict([accessPolicy({ enforcement: 'obsrve', ingress: [{ action: 'deny' }] })]), 'deny')
})

t.test('two different objects of one name are both invalid; the same twice is fine', async t => {
  const [a, b] = [networkPolicy({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }), networkPolicy({ podSelector: { matchLabels: { app: 'db' } }, ingress: [{}] })]
  t.equal(verdict([a, b]), 'deny')
  t.equal(verdict([a, b], db), 'deny')
  t.same(parseManifests([a, b]), parseManifests([b, a]))
  t.same(parseManifests([a, a]).invalid, [])
})

t.test('unnamed invalid objects do not hide each other', async t => {
  const unnamed = (app: string): object => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace: 'shop' }, spec: { podSelector: { matchLabels: { app } } } })
  t.equal(verdict([unnamed('web'), unnamed('db')]), 'deny')
  t.equal(verdict([unnamed('web'), unnamed('db')], db), 'deny')
})

t.test('other kinds are passed over, lists are opened', async t => {
  const list = { apiVersion: 'v1', kind: 'List', items: [networkPolicy({ podSelector: {} }), { kind: 'ConfigMap' }, 7, null] }
  t.match(parseManifests([list, { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy' }]), { policies: { length: 1 }, invalid: { length: 0 }, ignored: 4 })
})

t.test('the reason names the invalid policy', async t => {
  const { policies } = parseManifests([networkPolicy({ podSelector: {}, ingress: [badRule] }, 'bad')])
  t.match(compile(policies).decide(question(unverified())).reason, /isolated by NetworkPolicy shop\/bad, which is invalid \(spec\.ingress\[0\]/)
})
