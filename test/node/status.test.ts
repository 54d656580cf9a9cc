/** What is looked for now and then, and told: pods that are not enforced, annotations, invalid policies. */

import t from 'tap'
import { NodeStatus, opinionOf, Policies } from '../../src/node/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import { Metrics, Readiness } from '../../src/observe/index.ts'
import type { Test } from 'tap'
import type { Occurrence } from '../../src/model/occurrence.ts'

async function world (t: Test, prepare: (kubernetes: KubernetesWorld) => void) {
  const kubernetes = await KubernetesWorld.start(t)
  prepare(kubernetes)
  const source = await kubernetes.source()
  const metrics = new Metrics({ version: 'test', node: 'n1' })
  const policies = new Policies(source.manifests(), { unsignedLabels: ['hash'] }, { log: kubernetes.log, metrics, readiness: new Readiness() })
  source.onChange(change => { if (change.kind === 'manifests-replaced') policies.replace(change.manifests) })
  const clock = new FakeClock()
  const told: Occurrence[] = []
  let reviews = 0
  const status = new NodeStatus({ source, policies, clock, occurrences: { tell (occurrence) { told.push(occurrence) } }, conditions: { review () { reviews++ } } })
  t.teardown(() => { status[Symbol.dispose]() })
  return { kubernetes, source, policies, metrics, clock, told, status, reviews: () => reviews }
}

t.test('an invalid policy is told by all agents alike, at once and again while it lasts', async t => {
  const { kubernetes, clock, told, metrics, reviews } = await world(t, kubernetes => { kubernetes.policy('good') })
  t.same(told, [])
  kubernetes.policy('bad', { podSelector: {}, ingress: [{ from: [{ podSelector: 1 }] }] })
  await eventually(() => told.length === 1)
  t.match(told, [{ about: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'bad', uid: 'policy-bad' }, reason: 'PolicyInvalid', isShared: true, note: /^spec\.ingress\[0\]\.from\[0\]\.podSelector: / }])
  t.match((await metrics.text()).text, /^liburna_policy_invalid\{policy="NetworkPolicy shop bad"\} 1$/m)
  const before = reviews()
  clock.advance(30_000)
  t.equal(told.length, 2)
  t.equal(reviews(), before + 1, 'conditions are looked after, too')
  kubernetes.server.remove(paths.networkPolicies, 'bad', 'shop')
  await eventually(() => reviews() === before + 2)
  clock.advance(30_000)
  t.equal(told.length, 2)
  t.notMatch((await metrics.text()).text, /^liburna_policy_invalid\{/m)
})

t.test('what is thought of a policy: its problems, or else what will not do what it says', async t => {
  const { source, policies } = await world(t, kubernetes => {
    kubernetes.policy('bad', { podSelector: 1 })
    kubernetes.policy('odd', { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { hash: 'x' } } }] }] })
    kubernetes.policy('good')
  })
  const opinions = Object.fromEntries(source.policyObjects().map(policy => [policy.name.name, opinionOf(policy, policies)]))
  t.match(opinions, { bad: { isValid: false, problems: [/^spec\.podSelector: /] }, odd: { isValid: true, problems: [/hash/] }, good: { isValid: true, problems: [] } })
})

t.test('a selected pod whose network nobody tells of is told when it has had time to start', async t => {
  const { kubernetes, source, clock, told } = await world(t, kubernetes => { kubernetes.pod({ name: 'web' }) })
  clock.advance(30_000)
  t.same(told, [])
  clock.advance(30_000)
  t.match(told, [{ about: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'uid-shop-web' }, reason: 'NotCaptured' }])
  source.setSandboxes([{ id: 'i', uid: 'uid-shop-web', namespace: 'shop', name: 'web', netns: '/run/netns/web' }])
  clock.advance(60_000)
  t.equal(told.length, 1)
  kubernetes.pod({ name: 'late' })
  await eventually(() => source.waiting().length === 1)
  clock.advance(30_000)
  t.equal(told.length, 1, 'its own time begins with it')
})

t.test('an annotation that cannot be read is told at its pod; after the end nothing is', async t => {
  const { clock, told, status } = await world(t, kubernetes => { kubernetes.pod({ name: 'web', annotations: { 'liburna.io/exclude-inbound-ports': 'http', 'liburna.io/enforce': 'no' } }) })
  t.match(told, [{ about: { name: 'web' }, reason: 'BadAnnotation', note: /^annotation liburna\.io\/enforce is "no"/ }, { note: /^annotation liburna\.io\/exclude-inbound-ports is "http"/ }])
  t.not(told[0]?.sort, told[1]?.sort)
  status[Symbol.dispose]()
  clock.advance(60_000)
  t.equal(told.length, 2)
  t.equal(clock.waiting, 0)
})
