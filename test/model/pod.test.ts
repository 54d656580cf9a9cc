import t from 'tap'
import { podFacts, podIdentity } from '../../src/model/pod.ts'
import type { PodObject } from '../../src/model/pod.ts'

const digest = (character: string): string => `sha256:${character.repeat(64)}`
const pod: PodObject = {
  metadata: {
    namespace: 'shop', name: 'web-6d4cf56db6-x2x7z', uid: 'u1', labels: { 'app': 'web', 'pod-template-hash': '6d4cf56db6' },
    ownerReferences: [{ kind: 'Node', name: 'n9' }, { kind: 'ReplicaSet', name: 'web-6d4cf56db6', controller: true }],
  },
  spec: {
    nodeName: 'n1', serviceAccountName: 'web',
    containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }, { containerPort: 9 }, { name: 'dns', containerPort: 53, protocol: 'UDP' }] }],
    initContainers: [{ name: 'wait', ports: [{ name: 'gone', containerPort: 1 }] }, { name: 'mesh', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 7 }] }],
  },
  status: {
    phase: 'Running',
    containerStatuses: [{ name: 'main', imageID: `docker.io/library/nginx@${digest('b')}` }],
    initContainerStatuses: [{ name: 'wait', imageID: digest('c') }, { name: 'mesh', imageID: digest('a') }],
  },
}

t.test('a pod is read: owner, ports and images of the containers that stay', async t => {
  t.same(podFacts(pod), {
    namespace: 'shop', name: 'web-6d4cf56db6-x2x7z', uid: 'u1', nodeName: 'n1', hostNetwork: false, ended: false, serviceAccount: 'web',
    labels: { 'app': 'web', 'pod-template-hash': '6d4cf56db6' },
    owner: { kind: 'Deployment', name: 'web' },
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: 'dns', port: 53, protocol: 'UDP' }, { name: 'side', port: 7, protocol: 'TCP' }],
    images: [digest('a'), digest('b')],
  })
})

t.test('a pod of which little is known yet', async t => {
  t.match(podFacts({ metadata: { namespace: 'a', name: 'b', uid: 'c' } }), { nodeName: '', serviceAccount: 'default', owner: undefined, labels: {}, ports: [], images: [] })
  t.equal(podFacts({}), undefined)
  t.equal(podFacts({ metadata: { namespace: 'a', name: 'b' } }), undefined, 'without a uid it is nobody')
})

t.test('an owner is the controller, and only a ReplicaSet named after the template is a Deployment', async t => {
  const owner = (ref: { kind: string, name: string, controller?: boolean }, hash?: string): unknown => {
    return podFacts({ metadata: { namespace: 'a', name: 'b', uid: 'c', ownerReferences: [ref], labels: hash === undefined ? {} : { 'pod-template-hash': hash } } })?.owner
  }
  t.same(owner({ kind: 'ReplicaSet', name: 'web-1', controller: true }), { kind: 'ReplicaSet', name: 'web-1' })
  t.same(owner({ kind: 'ReplicaSet', name: 'web-1', controller: true }, '2'), { kind: 'ReplicaSet', name: 'web-1' })
  t.same(owner({ kind: 'ReplicaSet', name: '-1', controller: true }, '1'), { kind: 'ReplicaSet', name: '-1' })
  t.same(owner({ kind: 'StatefulSet', name: 'db-1', controller: true }, '1'), { kind: 'StatefulSet', name: 'db-1' })
  t.equal(owner({ kind: 'ReplicaSet', name: 'web-1' }, '1'), undefined)
})

t.test('a pod that has ended, and one that is its node', async t => {
  for (const phase of ['Succeeded', 'Failed']) t.equal(podFacts({ ...pod, status: { phase } })?.ended, true)
  t.equal(podFacts({ ...pod, spec: { hostNetwork: true } })?.hostNetwork, true)
})

t.test('the identity holds the name of the namespace, whatever its labels say', async t => {
  const facts = podFacts(pod)
  if (facts === undefined) return t.fail('the pod is one')
  const { spiffeId, attributes } = podIdentity(facts, { 'team': 'shop', 'kubernetes.io/metadata.name': 'bank' }, { trustDomain: 'east.example', cluster: 'east' })
  t.same(spiffeId, { trustDomain: 'east.example', namespace: 'shop', serviceAccount: 'web' })
  t.same(attributes.namespaceLabels, { 'team': 'shop', 'kubernetes.io/metadata.name': 'shop' })
  t.match(attributes, { cluster: 'east', uid: 'u1', owner: { kind: 'Deployment', name: 'web' } })
})
