import t from 'tap'
import { testClusterSource } from '../conformance/cluster-source.ts'
import { eventually } from '../fixtures/eventually.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import type { AskedMode } from '../../src/model/mode.ts'
import type { ClusterChange, KubernetesSource, Sandbox } from '../../src/cluster/index.ts'
import type { SourceWorld, WantedWorkload } from '../conformance/cluster-source.ts'

function sandbox (name: string, wish: Partial<Sandbox> = {}): Sandbox {
  const uid = wish.uid ?? `uid-shop-${name}`
  return { id: `id-${uid}`, uid, namespace: 'shop', name, netns: `/run/netns/${name}`, ...wish }
}

function keys (source: KubernetesSource): string[] {
  return source.workloads().map(({ key }) => key)
}

const soon = (): AbortSignal => AbortSignal.timeout(10_000)

t.test('the API server is a cluster source', async t => {
  testClusterSource(t, async (t): Promise<SourceWorld> => {
    const world = await KubernetesWorld.start(t)
    const sources: KubernetesSource[] = []
    let sandboxes: Sandbox[] = []
    return {
      setWorkloads (wanted: readonly WantedWorkload[]) {
        const uidOf = ({ name, netns = '' }: WantedWorkload): string => `uid-${name}-${netns}`
        const netns = ({ name, netns = name }: WantedWorkload): string => `/run/netns/${netns}`
        const gone = sandboxes.filter(({ uid }) => !wanted.some(each => uidOf(each) === uid))
        sandboxes = wanted.map(each => ({ id: uidOf(each), uid: uidOf(each), namespace: 'shop', name: each.name, netns: netns(each) }))
        for (const { name, uid } of gone) {
          for (const source of sources) source.removeSandbox({ uid, id: uid })
          if (!wanted.some(each => each.name === name)) world.server.remove(paths.pods, name, 'shop')
        }
        for (const source of sources) source.setSandboxes(sandboxes)
        for (const each of wanted) {
          const { name, labels = {}, serviceAccount = 'default', excludedPorts = [], mode } = each
          world.pod({ name, labels, serviceAccount, uid: uidOf(each), annotations: { 'liburna.io/exclude-inbound-ports': excludedPorts.join(','), ...mode !== undefined && { 'liburna.io/mode': mode } } })
        }
      },
      setNamespaceLabels (labels) { world.namespace('shop', { ...labels, 'liburna.io/enforce': 'true' }) },
      setNamespaceMode (mode) { world.namespace('shop', { 'liburna.io/mode': mode, 'liburna.io/enforce': 'true' }) },
      setPolicies (names) {
        for (const key of world.server.keys(paths.networkPolicies)) if (!names.some(name => key === `shop/${name}`)) world.server.remove(paths.networkPolicies, key.slice(5), 'shop')
        for (const name of names) world.policy(name)
      },
      breakPolicies () {
        world.server.fault(paths.networkPolicies, { status: 500 })
        world.server.cut(paths.networkPolicies)
      },
      repairPolicies () { world.server.heal(paths.networkPolicies) },
      async start () {
        const source = await world.source()
        source.setSandboxes(sandboxes)
        sources.push(source)
        return source
      },
    }
  })
})

t.test('only pods of enforced namespaces are captured, and no pod of the node\'s network', async t => {
  const world = await KubernetesWorld.start(t)
  world.namespace('free', {})
  world.pod({ name: 'web' })
  world.pod({ name: 'free', namespace: 'free' })
  world.pod({ name: 'host', spec: { hostNetwork: true } })
  world.pod({ name: 'out', annotations: { 'liburna.io/enforce': 'false' } })
  world.pod({ name: 'job', status: { phase: 'Succeeded' } })
  world.pod({ name: 'far', node: 'n2' })
  const source = await world.source()
  t.same(source.waiting(), ['shop/web'])
  source.setSandboxes(['web', 'host', 'out', 'job', 'far'].map(name => sandbox(name)).concat(sandbox('free', { uid: 'uid-free-free', namespace: 'free' })))
  t.same(keys(source), ['shop/web'])
  t.same(source.waiting(), [])
})

t.test('annotations of pods are not heeded when the setting says so', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'out', annotations: { 'liburna.io/enforce': 'false' } })
  world.pod({ name: 'web', annotations: { 'liburna.io/exclude-inbound-ports': '80' } })
  const source = await world.source({ podAnnotations: false })
  source.setSandboxes([sandbox('web'), sandbox('out')])
  t.same(keys(source), ['shop/out', 'shop/web'])
  t.same(source.workloads()[1]?.exclude.inboundPorts, [])
})

t.test('with annotations not heeded a pod may still ask for more protection, not for less', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'less', annotations: { 'liburna.io/mode': 'authenticate' } })
  const modes = async (mode: AskedMode): Promise<unknown> => {
    const source = await world.source({ podAnnotations: false, mode })
    source.setSandboxes([sandbox('less'), sandbox('more')])
    return source.workloads().map(({ key, mode }) => [key, mode])
  }
  t.same(await modes('unset'), [['shop/less', 'encrypt']])
  world.pod({ name: 'more', annotations: { 'liburna.io/mode': 'encrypt' } })
  t.same(await modes('authenticate'), [['shop/less', 'authenticate'], ['shop/more', 'encrypt']])
})

t.test('a mode that cannot be read asks for encrypt, and is told', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'web', annotations: { 'liburna.io/mode': 'Encrypted' } })
  const source = await world.source({ mode: 'authenticate' })
  source.setSandboxes([sandbox('web')])
  t.equal(source.workloads()[0]?.mode, 'encrypt')
  t.match(source.failures(), [{ message: /annotation liburna.io\/mode is "Encrypted"; expected "encrypt" or "authenticate"/ }])
  world.pod({ name: 'web' })
  world.namespace('shop', { 'liburna.io/enforce': 'true', 'liburna.io/mode': 'no' })
  await eventually(() => source.failures().some(({ message }) => message.includes('label of the namespace liburna.io/mode')))
  t.equal(source.workloads()[0]?.mode, 'encrypt')
})

t.test('an annotation that cannot be read opens no hole and is told', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'web', annotations: { 'liburna.io/exclude-inbound-ports': '80,http', 'liburna.io/exclude-cidrs': '10.0.0.0/8', 'liburna.io/enforce': 'no' } })
  const source = await world.source()
  source.setSandboxes([sandbox('web')])
  t.match(source.workloads()[0]?.exclude, { inboundPorts: [], cidrs: [{ text: '10.0.0.0/8' }] })
  t.match(source.failures().map(({ message }) => message), [/^pod shop\/web: annotation liburna.io\/enforce is "no"/, /^pod shop\/web: annotation liburna.io\/exclude-inbound-ports is "80,http"/])
})

t.test('a sandbox is admitted with what the watch has not told yet', async t => {
  const world = await KubernetesWorld.start(t)
  const source = await world.source()
  const told: ClusterChange[] = []
  source.onChange(change => { told.push(change) })
  // Nothing of what follows reaches the watches.
  await eventually(() => world.server.watches >= 4)
  for (const path of [paths.pods, paths.namespaces]) { world.server.fault(path, { hang: true }); world.server.cut(path) }
  world.namespace('late')
  world.pod({ name: 'web', namespace: 'late' })
  const workload = await source.admit(sandbox('web', { uid: 'uid-late-web', namespace: 'late' }), soon())
  t.equal(workload?.key, 'late/web')
  t.match(told.filter(({ kind }) => kind === 'workload-added'), [{ workload: { key: 'late/web', netns: '/run/netns/web' } }])
})

t.test('a sandbox whose pod is not to be had is not admitted', async t => {
  const world = await KubernetesWorld.start(t)
  const source = await world.source()
  await t.rejects(source.admit(sandbox('nobody'), soon()), /404 not found/)
  world.pod({ name: 'web' })
  await t.rejects(source.admit(sandbox('web', { uid: 'another' }), soon()), /is another one at the API server/)
  await t.rejects(source.admit(sandbox('web', { namespace: 'nowhere' }), soon()), /404 not found/)
  world.namespace('free', {})
  t.equal(await source.admit(sandbox('any', { namespace: 'free' }), soon()), undefined, 'of a namespace that is not enforced nothing more is asked')
  t.equal(await source.admit(sandbox('host', { netns: '' }), soon()), undefined)
})

t.test('a pod that the API server has forgotten stays enforced while it runs, and one of its name waits', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'db-0' })
  const source = await world.source()
  source.setSandboxes([sandbox('db-0')])
  world.server.remove(paths.pods, 'db-0', 'shop')
  world.pod({ name: 'db-0', uid: 'second' })
  await t.rejects(source.admit(sandbox('db-0', { uid: 'second', netns: '/run/netns/second' }), soon()), /still runs/)
  t.match(source.workloads(), [{ netns: '/run/netns/db-0' }])
  source.removeSandbox(sandbox('db-0'))
  t.match(source.workloads(), [{ netns: '/run/netns/second', identity: { attributes: { uid: 'second' } } }])
})

t.test('what was found of a pod counts until the runtime tells, and takes nothing away that it has told', async t => {
  const world = await KubernetesWorld.start(t)
  for (const name of ['told', 'found', 'gone']) world.pod({ name })
  const source = await world.source()
  const found = (name: string): Sandbox => sandbox(name, { id: `netns-${name}` })
  source.setSandboxes([sandbox('told')])
  source.fillSandboxes([sandbox('told', { netns: '/run/netns/other' }), found('found'), found('gone')])
  t.same(keys(source), ['shop/found', 'shop/gone', 'shop/told'])
  source.fillSandboxes([found('found')])
  t.same(source.workloads().map(({ netns }) => netns), ['/run/netns/found', '/run/netns/told'])
  source.setSandboxes([sandbox('found')])
  source.fillSandboxes([])
  t.same(keys(source), ['shop/found'])
})

t.test('nobody gets another pod\'s namespace by the annotation of static pods', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'thief', annotations: { 'kubernetes.io/config.hash': 'uid-shop-web' } })
  world.pod({ name: 'static', uid: 'mirror', annotations: { 'kubernetes.io/config.hash': 'hash' } })
  const source = await world.source()
  source.setSandboxes([sandbox('web'), sandbox('static', { uid: 'hash' })])
  t.same(keys(source), ['shop/static'])
  t.same(source.waiting(), ['shop/thief'])
})

t.test('of a pod is known what the issuer signs', async t => {
  const world = await KubernetesWorld.start(t)
  const digest = `sha256:${'a'.repeat(64)}`
  world.server.put(paths.pods, {
    metadata: { name: 'web-5d8f-x', namespace: 'shop', uid: 'u', labels: { 'app': 'web', 'pod-template-hash': '5d8f' }, ownerReferences: [{ kind: 'ReplicaSet', name: 'web-5d8f', controller: true }] },
    spec: {
      nodeName: 'n1', serviceAccountName: 'web',
      containers: [{ ports: [{ name: 'http', containerPort: 8080 }, { containerPort: 9 }] }],
      initContainers: [{ restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 15, protocol: 'UDP' }] }, { ports: [{ name: 'once', containerPort: 1 }] }],
    },
    status: { containerStatuses: [{ imageID: `registry.example/web@${digest}` }] },
  })
  const source = await world.source()
  source.setSandboxes([sandbox('web-5d8f-x', { uid: 'u' })])
  t.match(source.workloads()[0]?.identity, {
    spiffeId: { trustDomain: 'east.example', namespace: 'shop', serviceAccount: 'web' },
    attributes: {
      cluster: 'east', uid: 'u', owner: { kind: 'Deployment', name: 'web' }, images: [digest],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: 'side', port: 15, protocol: 'UDP' }],
    },
  })
})

t.test('a status that says nothing new is no change', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'web' })
  const source = await world.source()
  source.setSandboxes([sandbox('web')])
  const before = source.workloads()[0]
  const told: ClusterChange[] = []
  source.onChange(change => { told.push(change) })
  world.pod({ name: 'web', status: { phase: 'Running', podIP: '10.0.0.9' } })
  world.pod({ name: 'mark' })
  await eventually(() => source.waiting().includes('shop/mark'))
  t.same(told, [])
  t.equal(source.workloads()[0], before)
})

t.test('a namespace that is let go gives its pods back, and one that is gone does not', async t => {
  const world = await KubernetesWorld.start(t)
  world.namespace('other')
  world.pod({ name: 'web' })
  world.pod({ name: 'api', namespace: 'other' })
  const source = await world.source()
  source.setSandboxes([sandbox('web'), sandbox('api', { uid: 'uid-other-api', namespace: 'other' })])
  world.server.remove(paths.namespaces, 'other')
  world.namespace('shop', {})
  await eventually(() => keys(source).length === 1)
  t.same(keys(source), ['other/api'])
})

t.test('kinds of policies come and go with their definitions', async t => {
  const world = await KubernetesWorld.start(t)
  const source = await world.source()
  t.same(source.failures(), [])
  world.server.serve(paths.accessPolicies)
  world.server.put(paths.accessPolicies, { metadata: { name: 'a', managedFields: ['long'], annotations: { other: 'x' } }, spec: { rules: [] } })
  world.server.put(paths.definitions, { metadata: { name: 'accesspolicies.liburna.io' } })
  await eventually(() => source.manifests().length === 1)
  t.same(source.manifests(), [{
    origin: 'AccessPolicy a',
    object: { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'a', annotations: {} }, spec: { rules: [] } },
  }])
  await eventually(() => world.server.requests.filter(line => line.includes('accesspolicies?watch=true')).length === 2)
  await eventually(() => world.server.watching(paths.accessPolicies) === 1)
  t.same(source.failures(), [], 'watched anew, when the definition has come to rest')
  world.server.withdraw(paths.accessPolicies)
  await eventually(() => source.manifests().length === 0, 20_000)
  t.same(source.failures(), [])
})

t.test('while the API server is away everything stays, and how old it is can be asked', async t => {
  const world = await KubernetesWorld.start(t)
  world.pod({ name: 'web' })
  world.policy('a')
  const source = await world.source()
  source.setSandboxes([sandbox('web')])
  t.equal(source.ages().every(({ staleSinceMs }) => staleSinceMs === undefined), true)
  for (const path of Object.values(paths).filter(path => !/access|admin/.test(path))) { world.server.fault(path, { status: 503 }); world.server.cut(path) }
  await eventually(() => source.failures().length >= 3)
  t.same(keys(source), ['shop/web'])
  t.equal(source.manifests().length, 1)
  t.ok(source.ages().find(({ name }) => name === 'pods')?.staleSinceMs)
  t.match(source.failures()[0]?.message, / \(known as of 20\d\d-\d\d-\d\dT[\d:.]+Z\)$/)
})

t.test('a source that cannot be opened ends when it is told to', async t => {
  const world = await KubernetesWorld.start(t)
  world.server.fault(paths.pods, { status: 403 })
  const stop = new AbortController()
  const opening = world.source({}, stop.signal)
  await eventually(() => world.server.requests.filter(line => line.includes('/pods')).length >= 2)
  stop.abort(new Error('enough'))
  await t.rejects(opening, /enough/)
})

t.test('a namespace is going when it is being deleted, or gone after it was there; not when it never was', async t => {
  const world = await KubernetesWorld.start(t)
  world.namespace('liburna', {})
  const source = await world.source()
  t.notOk(source.isGoing('liburna'))
  t.notOk(source.isGoing('no-such-namespace'))
  t.notOk(await source.askIsGoing('no-such-namespace', AbortSignal.timeout(5000)))
  world.server.put(paths.namespaces, { metadata: { name: 'liburna', deletionTimestamp: '2026-01-01T00:00:00Z' } })
  await eventually(() => source.isGoing('liburna'))
  world.server.remove(paths.namespaces, 'liburna')
  await eventually(() => source.isGoing('liburna'))
  t.ok(await source.askIsGoing('liburna', AbortSignal.timeout(5000)))
})

t.test('of each sandbox it is known whether its pod is to be captured, or that nobody knows yet', async t => {
  const world = await KubernetesWorld.start(t)
  world.namespace('free', {})
  world.pod({ name: 'web' })
  world.pod({ name: 'out', annotations: { 'liburna.io/enforce': 'false' } })
  world.pod({ name: 'other', namespace: 'free' })
  const source = await world.source()
  source.setSandboxes([
    sandbox('web'), sandbox('out'), sandbox('other', { namespace: 'free', uid: 'uid-free-other' }), sandbox('new', { namespace: 'free', uid: 'not told yet' }),
    sandbox('unknown'), sandbox('nowhere', { namespace: 'no-such-namespace' }), sandbox('host', { netns: '' }),
  ])
  t.same(source.sandboxes().map(({ sandbox: { name }, isSelected }) => [name, isSelected]), [
    ['web', true], ['out', false], ['other', false], ['new', false], ['unknown', undefined], ['nowhere', undefined],
  ])
})
