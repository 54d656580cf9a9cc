import t from 'tap'
import { workloadsIn } from '../../src/policy/index.ts'

const home = { trustDomain: 'east.example', cluster: 'east' }
const digest = `sha256:${'ab'.repeat(32)}`
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { serviceAccountName: 'web', containers: [{ image: `nginx@${digest}`, ports: [{ name: 'http', containerPort: 8080 }, { containerPort: 9000, protocol: 'UDP' }] }] },
}

t.test('a controller gives the pod of its template, with the labels of its namespace', async t => {
  const { workloads, namespaces, invalid } = workloadsIn([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'shop' } } },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'shop' }, spec: { template } },
    { apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'nightly' }, spec: { jobTemplate: { spec: { template } } } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } },
  ], home)
  t.same(invalid, [])
  t.same(namespaces, { shop: { 'team': 'shop', 'kubernetes.io/metadata.name': 'shop' } })
  t.same(workloads.map(({ kind, endpoint }) => [kind, endpoint.identity.attributes.namespace]), [['CronJob', 'default'], ['Deployment', 'shop']])
  t.match(workloads[1], {
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: '', port: 9000, protocol: 'UDP' }],
    endpoint: {
      hostNetwork: false,
      identity: {
        spiffeId: { trustDomain: 'east.example', namespace: 'shop', serviceAccount: 'web' },
        attributes: { cluster: 'east', labels: { app: 'web' }, namespaceLabels: { team: 'shop' }, images: [digest], ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
      },
    },
  })
})

t.test('a pod is there once: not again when its controller is described', async t => {
  const pod = (owner?: string): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1', ...(owner === undefined ? {} : { ownerReferences: [{ kind: 'StatefulSet', name: owner }] }) }, spec: template.spec, status: { podIP: '10.0.0.7' } })
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'web' }, spec: { template } }
  t.same(workloadsIn([pod('web'), set], home).workloads.map(({ kind }) => kind), ['StatefulSet'])
  t.match(workloadsIn([pod('gone'), set], home).workloads.map(({ endpoint }) => endpoint.ip?.text), ['10.0.0.7', undefined])
})

t.test('what cannot be read is told with object and path', async t => {
  const { invalid } = workloadsIn([{ kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ ports: [{ containerPort: 'http' }] }] } }, { kind: 'Job', metadata: { name: 'b' } }], home)
  t.match(invalid, [{ kind: 'Pod', name: 'a', path: 'spec.containers[0].ports[0].containerPort' }, { kind: 'Job', name: 'b', path: 'spec.template.spec' }])
})
