/** Connections across nodes with equal pod addresses and NAT on the way, the node's own probes, and what people do with kubectl. */

import { spawn } from 'node:child_process'
import t from 'tap'
import { listOf, networkPolicy, openLiburna, pod, shell, soon } from './liburna/index.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'connections-test'
const node = cluster.node('n1')
const [hostPort, nodePort] = [31280, 31281]
const urlAt = (port: number): string => `http://${node.address}:${port}/index.html`

// Often, and patient where the machine is slow.
const often = { periodSeconds: 1, timeoutSeconds: 10 }
const probes = {
  startupProbe: { exec: { command: ['cat', '/www/index.html'] }, ...often, failureThreshold: 30 },
  readinessProbe: { httpGet: { path: '/index.html', port: 8080 }, ...often },
  livenessProbe: { tcpSocket: { port: 8080 }, ...often },
}
const web = pod('web', { namespace: shop, node: 'n1', run: shell('hostname >/www/index.html; exec httpd -f -p 8080 -h /www'), container: { ports: [{ name: 'http', containerPort: 8080, hostPort }], ...probes } })
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: shop }, spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080, nodePort }] } }

// Where pods are made in the same order on both nodes they get the same addresses.
await cluster.alignPodAddresses()
await liburna.shop(t, shop, networkPolicy(shop, 'web', 'client'), web, pod('client', { namespace: shop, node: 'n2' }))
await cluster.waitReady(['pod/web', 'pod/client'], { namespace: shop })
await cluster.apply(listOf(service, pod('other', { namespace: shop, node: 'n2' })))
await cluster.waitReady(['pod/other'], { namespace: shop })

async function addressOf (name: string): Promise<string> {
  return cluster.kubectl(['get', 'pod', name, '-n', shop, '-o', 'jsonpath={.status.podIP}'])
}

async function wget (name: string, url: string): Promise<boolean> {
  return (await cluster.tryExec(name, ['timeout', '10', 'wget', '-qO-', url], { namespace: shop })).code === 0
}

t.test('client and server have the same address', async t => {
  t.equal(await addressOf('web'), await addressOf('client'))
})

for (const [what, port] of [['a hostPort', hostPort], ['a NodePort', nodePort]] as const) {
  t.test(`through ${what} of the other node: allowed and denied by label, with the deciding rule in the records of both nodes`, async t => {
    await soon(async () => wget('client', urlAt(port)))
    t.equal(await wget('other', urlAt(port)), false)
    const dialled = `${node.address}:${port}`
    for (const [name, atServer, atClient] of [
      ['client', { verdict: 'allowed', decidedBy: `NetworkPolicy ${shop}/web ingress[0]`, outcome: 'completed' }, { verdict: 'allowed', outcome: 'completed' }],
      ['other', { verdict: 'denied', decidedBy: `NetworkPolicy ${shop}/web`, outcome: 'denied-by-policy' }, { decidedBy: `NetworkPolicy ${shop}/web`, outcome: 'denied-by-peer' }],
    ] as const) {
      const outbound = await liburna.record('n2', record => record.direction === 'outbound' && record.source.name === name && record.originalDestination === dialled && record.flow !== '')
      const inbound = await liburna.record('n1', record => record.direction === 'inbound' && record.flow === outbound.flow)
      const ends = { mode: 'encrypt', peer: 'verified', source: { name, namespace: shop, labels: { app: name } }, destination: { name: 'web', labels: { app: 'web' } }, realDestination: `${await addressOf('web')}:8080` }
      t.match(outbound, { ...ends, ...atClient })
      t.match(inbound, { ...ends, ...atServer })
      t.notMatch(inbound.source.address, new RegExp(`^${await addressOf(name)}:`), 'the source was translated on the way')
    }
  })
}

t.test('what was denied is told by events of the pods at both ends', async t => {
  const told = async (name: string): Promise<string> => cluster.kubectl(['get', 'events', '-n', shop, '--field-selector', `reason=FlowDenied,involvedObject.name=${name}`, '-o', 'jsonpath={.items[*].message}'])
  await soon(async () => (await told('web')).includes(`NetworkPolicy ${shop}/web`))
  await soon(async () => (await told('other')).includes(`NetworkPolicy ${shop}/web`))
  t.equal(await told('client'), '', 'who was allowed has none')
})

t.test('readiness and liveness probes of all kinds get through under a policy that allows them not', async t => {
  const fromNode = (): number => liburna.records('n1').filter(({ direction, destination, peer, verdict }) => direction === 'inbound' && destination.name === 'web' && peer === 'node' && verdict === 'allowed').length
  const before = fromNode()
  await soon(() => fromNode() >= before + 10)
  const state = await cluster.kubectl(['get', 'pod', 'web', '-n', shop, '-o', 'jsonpath={.status.containerStatuses[0].restartCount},{.status.conditions[?(@.type=="Ready")].status}'])
  t.equal(state, '0,True')
})

t.test('a process of the node gets through; a stranger whom NAT gives the node\'s address does not', async t => {
  t.equal((await node.run(['busybox', 'wget', '-qO-', `http://${await addressOf('web')}:8080/index.html`])).code, 0)
  // kube-proxy gives a connection from elsewhere the node's address as its source, for the answers to come back.
  const stranger = async (): Promise<number> => (await cluster.node('n2').run(['busybox', 'timeout', '3', 'busybox', 'wget', '-qO-', urlAt(nodePort)])).code
  t.not(await stranger(), 0)
  t.ok(await liburna.record('n1', ({ peer, verdict, source }) => peer === 'no-agent' && verdict === 'denied' && /^10\.244\.0\.1:/.test(source.address)))
})

t.test('exec, logs and port-forward work', async t => {
  t.equal(await cluster.exec('web', ['hostname'], { namespace: shop }), 'web\n')
  t.equal(await cluster.kubectl(['exec', '-i', '-n', shop, 'web', '--', 'cat'], 'through'), 'through')
  t.equal((await cluster.tryKubectl(['logs', '-n', shop, 'web'])).code, 0)
  const forward = spawn(cluster.kubectlProgram, [`--kubeconfig=${cluster.kubeconfig}`, 'port-forward', '-n', shop, 'pod/web', ':8080'])
  t.teardown(() => { forward.kill() })
  forward.stderr.on('data', chunk => { t.comment(String(chunk)) })
  const port = await new Promise<string>(resolve => { forward.stdout.on('data', chunk => { resolve(/:(\d+) ->/.exec(String(chunk))?.[1] ?? '') }) })
  t.equal(await (await fetch(`http://127.0.0.1:${port}/index.html`)).text(), 'web\n')
})
