/** Policies of a source, as they come, change and go. */

import t from 'tap'
import { Policies } from '../../src/node/index.ts'
import { Metrics, Readiness } from '../../src/observe/index.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import { identityOf } from '../fixtures/authority.ts'
import type { Manifest } from '../../src/cluster/index.ts'

const subject = identityOf({ namespace: 'shop', name: 'web-0', labels: { app: 'web' } })

function manifest (name: string, spec: object = { podSelector: {} }): Manifest {
  return { origin: name, object: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'shop' }, spec } }
}

function world (manifests: readonly Manifest[]) {
  const policies = new Policies(manifests, { unsignedLabels: [] }, { log: memoryLog(), metrics: new Metrics({ version: 'test', node: 'n1' }), readiness: new Readiness() })
  return { policies, selecting: () => policies.current().selecting(subject) }
}

t.test('what has not changed is not read again, and what has is', async t => {
  const [a, b] = [manifest('a'), manifest('b')]
  const { policies, selecting } = world([a, b])
  const before = selecting()
  t.same(before.map(({ ref }) => ref.name), ['a', 'b'])
  policies.replace([manifest('a', { podSelector: { matchLabels: { app: 'other' } } }), b, manifest('c')])
  const after = selecting()
  t.same(after.map(({ ref }) => ref.name), ['b', 'c'])
  t.equal(after[0], before[1])
  policies.replace([b])
  t.same(selecting().map(({ ref }) => ref.name), ['b'])
  policies.replace([a, b])
  t.same(selecting().map(({ ref }) => ref.name), ['a', 'b'])
})

t.test('an object of a name that another one has is invalid for as long as both are there', async t => {
  const a = manifest('a')
  const { policies } = world([a])
  t.same(policies.invalid, [])
  policies.replace([a, manifest('a', { podSelector: { matchLabels: { app: 'other' } } })])
  t.equal(policies.invalid.length, 2)
  policies.replace([a])
  t.same([policies.invalid, policies.dump()], [[], [{ policy: 'NetworkPolicy shop a', invalid: [] }]])
})
