/** The test cluster itself: what other tests take for granted. Reuses a running cluster; takes minutes where none was ever built. */

import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { busyboxImage, nodeNames, openCluster, waitFor } from './index.ts'
import { hierarchies } from './cgroups.ts'
import { netnsOf } from './network.ts'
import { NriPlugin } from './nri-plugin.ts'
import type { Test } from 'tap'
import type { ClusterNode, NodeName } from './index.ts'
import type { NriPod } from './nri-plugin.ts'

// Building everything for the first time is part of it.
t.setTimeout(3_600_000)

const cluster = await openCluster({ say: text => { t.comment(text) } })
t.teardown(async () => cluster[Symbol.asyncDispose]())

interface PodSpec {
  readonly node?: NodeName
  /** Shell script that it runs. */
  readonly run: string
  /** Further fields of the container and of the pod, as YAML flow maps without braces. */
  readonly container?: string
  readonly labels?: string
}

function podOf (name: string, { node, run, container = '', labels = 'from: cluster-test' }: PodSpec): string {
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {${labels}}}
spec:
  ${node === undefined ? '' : `nodeName: ${node}`}
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "${busyboxImage}", imagePullPolicy: Never, command: [sh, -c, ${JSON.stringify(run)}]${container === '' ? '' : `, ${container}`}}]
`
}

/** Pods for the time of one test; ready when this resolves. */
async function withPods (test: Test, yaml: string, names: readonly string[]): Promise<void> {
  await cluster.remove(yaml)
  test.teardown(async () => cluster.remove(yaml))
  await cluster.apply(yaml)
  await cluster.waitReady(names.map(name => `pod/${name}`))
}

async function field (pod: string, path: string): Promise<string> {
  return cluster.kubectl(['get', 'pod', pod, '-o', `jsonpath={${path}}`])
}

t.test('both nodes are ready, and no pod address belongs to a node', async t => {
  const nodes = await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status},{.spec.podCIDR};{end}'])
  t.equal(nodes, 'n1=True,;n2=True,;')
  t.match(await cluster.kubectl(['version']), /Server Version: v1\.37\./)
})

t.test('pods of both nodes have equal addresses', async t => {
  await cluster.alignPodAddresses()
  await withPods(t, nodeNames.map(node => podOf(`twin-${node}`, { node, run: 'sleep 1000' })).join(''), nodeNames.map(node => `twin-${node}`))
  const [first, second] = await Promise.all(nodeNames.map(async node => field(`twin-${node}`, '.status.podIP')))
  t.match(first, /^10\.244\./)
  t.equal(first, second)
})

t.test('a hostPort of the other node is reached through NAT on both sides', async t => {
  const server = podOf('server', { node: 'n2', run: 'echo from n2 >/www/index.html; httpd -f -vv -p 8080 -h /www', container: 'ports: [{containerPort: 8080, hostPort: 18080}]' })
  await withPods(t, server + podOf('client', { node: 'n1', run: 'sleep 1000' }), ['server', 'client'])
  const url = `http://${cluster.node('n2').address}:18080/`
  // Rules of the port and readiness of the pod are not made in any order.
  const body = await waitFor(async () => cluster.exec('client', ['wget', '-qO-', url]), { withinMs: 60_000 })
  t.equal(body, 'from n2\n')
  const seen = await cluster.logs('server')
  t.match(seen, cluster.node('n1').address, 'the server sees the address of the client\'s node')
  t.notMatch(seen, `${await field('client', '.status.podIP')}:`, 'and not the client\'s own')
})

t.test('a NodePort leads to the pods of its node, and pods reach the API server', async t => {
  const service = `---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
`
  const server = podOf('web', { node: 'n2', labels: 'app: web', run: 'echo web >/www/index.html; httpd -f -p 8080 -h /www', container: 'readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}' })
  await withPods(t, service + server + podOf('caller', { node: 'n1', run: 'sleep 1000' }), ['web', 'caller'])
  const body = await waitFor(async () => cluster.exec('caller', ['wget', '-qO-', `http://${cluster.node('n2').address}:30080/`]), { withinMs: 60_000 })
  t.equal(body, 'web\n')
  await cluster.exec('caller', ['sh', '-c', 'nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null'])
  t.pass('the service kubernetes answers')
})

t.test('exec, logs and standard input', async t => {
  await withPods(t, podOf('shell', { run: 'echo hello from the log; sleep 1000' }), ['shell'])
  t.equal(await cluster.exec('shell', ['echo', 'hello']), 'hello\n')
  t.equal((await cluster.tryExec('shell', ['sh', '-c', 'exit 3'])).code, 3)
  t.equal(await cluster.logs('shell'), 'hello from the log\n')
  t.equal(await cluster.kubectl(['exec', '-i', 'shell', '--', 'cat'], 'through'), 'through')
})

t.test('probes: an answer makes a pod ready, a refusal does not', async t => {
  const good = podOf('good', { run: 'echo ok >/www/index.html; httpd -f -p 8080 -h /www', container: 'readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}' })
  const bad = podOf('bad', { run: 'sleep 1000', container: 'readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}' })
  await withPods(t, good + bad, ['good'])
  const events = await waitFor(async () => {
    const text = await cluster.kubectl(['get', 'events', '--field-selector', 'involvedObject.name=bad', '-o', 'jsonpath={.items[*].message}'])
    return text.includes('Readiness probe failed') && text
  }, { withinMs: 60_000 })
  t.match(events, /connection refused/)
  t.equal(await field('bad', '.status.conditions[?(@.type=="Ready")].status'), 'False')
})

/** Containers of a pod that have a cgroup, the sandbox among them; the kubelet names the folder by the pod's uid. */
function containersOf (node: ClusterNode, pod: NriPod | undefined): string[] {
  const [hierarchy] = hierarchies()
  const folder = `${hierarchy?.path}/${netnsOf(node.name)}/kubepods/besteffort/pod${pod?.uid}`
  return readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name)
}

t.test('an NRI plugin hears of a pod before its first container starts, and can refuse it', async t => {
  const node = cluster.node('n1')
  let isRefusing = false
  const seen: unknown[] = []
  using plugin = await NriPlugin.register(node.nriSocket, 'test', pod => {
    // Nothing here waits: after two seconds without an answer containerd goes on without the plugin.
    seen.push({ containers: containersOf(node, pod).filter(id => id !== pod.id), netns: existsSync(`/proc/${node.pid}/root${pod.netns.replace(/^\/var/, '')}`) })
    if (isRefusing) throw new Error('refused by the test')
  })
  t.match(plugin.runtime, /^containerd .*2\.2/)
  await withPods(t, podOf('announced', { node: 'n1', run: 'sleep 1000' }), ['announced'])
  t.match(plugin.pods.find(pod => pod.name === 'announced'), { namespace: 'default', uid: await field('announced', '.metadata.uid'), netns: /^\/(var\/)?run\/netns\//, ips: [await field('announced', '.status.podIP')] })
  t.same(seen, [{ containers: [], netns: true }], 'its network is there, no container is')
  t.equal(containersOf(node, plugin.pods[0]).length, 2, 'later there are the sandbox and the container')
  isRefusing = true
  const refused = podOf('refused', { node: 'n1', run: 'sleep 1000' })
  t.teardown(async () => cluster.remove(refused))
  await cluster.apply(refused)
  const event = await waitFor(async () => (await cluster.kubectl(['get', 'events', '--field-selector', 'involvedObject.name=refused', '-o', 'jsonpath={.items[*].message}'])).includes('refused by the test'), { withinMs: 60_000 })
  t.ok(event)
  t.equal(await field('refused', '.status.phase'), 'Pending')
})

t.test('parts can be stopped and started; pods go on meanwhile', async t => {
  await withPods(t, podOf('steady', { node: 'n1', run: 'sleep 1000' }), ['steady'])
  const before = await field('steady', '.status.containerStatuses[0].containerID')
  await cluster.stop('apiserver')
  t.not((await cluster.tryKubectl(['get', 'nodes', '--request-timeout=2s'])).code, 0)
  await cluster.start('apiserver')
  for (const part of ['etcd', 'kubelet-n1', 'containerd-n1'] as const) {
    await cluster.stop(part, 'SIGKILL')
    t.notOk(cluster.isRunning(part))
    await cluster.start(part)
  }
  // containerd's sockets are new ones.
  using plugin = await waitFor(async () => NriPlugin.register(cluster.node('n1').nriSocket, 'again'), { withinMs: 60_000 })
  t.ok(plugin.isSynchronized)
  t.equal(await waitFor(async () => cluster.exec('steady', ['echo', 'here']), { withinMs: 60_000 }), 'here\n')
  t.equal(await field('steady', '.status.containerStatuses[0].containerID'), before, 'the same container runs on')
})

t.test('a node has a file system view of its own, and cannot write to this machine', async t => {
  const node = cluster.node('n1')
  await node.must(['touch', '/run/only-here'])
  t.ok(existsSync(`${node.runFolder}/only-here`))
  t.notOk(existsSync('/run/only-here'))
  t.not((await node.run(['touch', '/etc/only-here'])).code, 0)
  await node.must(['rm', '/run/only-here'])
})
