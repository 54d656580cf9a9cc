import t from 'tap'
import { globMatches } from '../../src/policy/match-workload.ts'
import { accessPolicy, clusterPolicy, decide, networkPolicy, question, verified } from './world.ts'

const byLabel = networkPolicy({ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }] }] })
const api = { labels: { app: 'api' } }
const west = { ...api, cluster: 'west' }
const foreign = { ...api, trustDomain: 'west.example', cluster: 'east' }

t.test('a standard selector does not match a pod of another cluster without sameness', async t => {
  t.equal(decide([byLabel], question(verified(api))).action, 'allow')
  t.equal(decide([byLabel], question(verified(west))).action, 'deny')
  t.equal(decide([byLabel], question(verified(west)), { sameness: [{ trustDomain: 'east.example', cluster: 'west' }] }).action, 'allow')
})

t.test('another trust domain that calls its cluster by our name is still another', async t => {
  t.equal(decide([byLabel], question(verified(foreign))).action, 'deny')
  t.equal(decide([byLabel], question(verified(foreign)), { sameness: [{ trustDomain: 'east.example', cluster: 'east' }] }).action, 'deny')
  t.equal(decide([byLabel], question(verified(foreign)), { sameness: [{ trustDomain: 'west.example', cluster: 'east' }] }).action, 'allow')
})

t.test('admin selectors too: neither accepted nor denied by namespaces: {}', async t => {
  t.equal(decide([clusterPolicy([{ action: 'Deny', from: [{ namespaces: {} }] }])], question(verified(west))).action, 'allow')
})

t.test('an AccessPolicy matches it where it names the cluster', async t => {
  const policy = accessPolicy({ ingress: [{ from: [{ clusters: ['west'], podSelector: { matchLabels: { app: 'api' } } }] }] })
  t.equal(decide([policy], question(verified(west))).action, 'allow')
  t.equal(decide([policy], question(verified(api))).action, 'deny')
  t.equal(decide([policy], question(verified({ ...west, trustDomain: 'west.example' }))).action, 'deny', 'a cluster name alone is one of the own trust domain')
})

t.test('or the trust domain, or a SPIFFE ID', async t => {
  const named = (peer: object): string => decide([accessPolicy({ ingress: [{ from: [peer] }] })], question(verified({ ...foreign, namespace: 'shop', serviceAccount: 'web-1' }))).action
  t.equal(named({ trustDomains: ['west.example'] }), 'allow')
  t.equal(named({ trustDomains: ['west.example'], clusters: ['west'] }), 'deny')
  t.equal(named({ spiffeIds: ['spiffe://west.example/ns/shop/sa/web-1'] }), 'allow')
  t.equal(named({ spiffeIds: ['spiffe://west.example/ns/*/sa/web-*'] }), 'allow')
  t.equal(named({ spiffeIds: ['spiffe://east.example/ns/*/sa/*'] }), 'deny')
  t.equal(named({ spiffeIds: ['spiffe://west.example/ns/*/sa/api-*'] }), 'deny')
})

t.test('an AccessPolicy peer that names no cluster means the own one', async t => {
  t.equal(decide([accessPolicy({ ingress: [{ from: [{ podSelector: {} }] }] })], question(verified(west))).action, 'deny')
})

t.test('a workload of another cluster than home is nobody\'s subject', async t => {
  const home = { trustDomain: 'west.example', cluster: 'west' }
  t.match(decide([byLabel], question(verified()), { home }), { action: 'allow', reason: /of another cluster/ })
})

t.test('globs', async t => {
  for (const [pattern, text, matches] of [['*', '', true], ['a*', 'a', true], ['*a*b*', 'xaybz', true], ['*a*b', 'ab', true], ['ab*ba', 'aba', false], ['a*a', 'a', false], ['*aa', 'aaa', true], ['a', 'ab', false]] as const) {
    t.equal(globMatches(pattern, text), matches, `${pattern} ${text}`)
  }
})
