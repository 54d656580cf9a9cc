import t from 'tap'
import { defaultExcludedLabels, signedAttributes, signedLabels } from '../../src/identity/index.ts'
import { identityOf } from '../fixtures/authority.ts'

t.test('labels that controllers make up for themselves are not signed', async t => {
  const made = Object.fromEntries(defaultExcludedLabels.map(key => [key, 'x']))
  t.same(signedLabels({ ...made, app: 'web' }), { app: 'web' })
})

t.test('labels that name something are signed', async t => {
  const labels = { 'statefulset.kubernetes.io/pod-name': 'db-0', 'apps.kubernetes.io/pod-index': '0', 'batch.kubernetes.io/job-name': 'x' }
  t.same(signedLabels(labels), labels)
})

t.test('a label by the name of __proto__ is a label', async t => {
  t.same(Object.entries(signedLabels(JSON.parse('{"__proto__":"x"}'))), [['__proto__', 'x']])
})

t.test('only pod labels are excluded; the namespace says all of its own', async t => {
  const { attributes } = identityOf({ labels: { 'pod-template-hash': 'x' }, namespaceLabels: { 'pod-template-hash': 'y' } })
  t.match(signedAttributes(attributes), { labels: {}, namespaceLabels: { 'pod-template-hash': 'y' } })
})
