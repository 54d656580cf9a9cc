/** The guard of the node: a pod that starts while no agent runs is held, although the runtime lets it start. */

import t from 'tap'
import { caller, echoServer, networkPolicy, openLiburna, pod, shell, soon, system } from './liburna/index.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'guard-test'
const place = `${cluster.node('n1').address}:31780`

await liburna.shop(t, shop,
  networkPolicy(shop, 'web', 'client'),
  pod('web', { namespace: shop, node: 'n1', ...echoServer(8080), container: { ports: [{ containerPort: 8080, hostPort: 31780 }], readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, timeoutSeconds: 10 } } }),
  pod('client', { namespace: shop, node: 'n2', ...caller(place) }),
  // It is not captured, and its connections are none of the guard's business once an agent has said so.
  pod('out', { namespace: shop, node: 'n2', annotations: { 'liburna.io/enforce': 'false' } }))
await cluster.waitReady(['pod/web', 'pod/client', 'pod/out'], { namespace: shop })
const client = liburna.traffic('n2', shop, 'client')
await client.settles('allowed')

/** Has the agents of both nodes read these lines of settings, too. */
async function configure (more: string): Promise<void> {
  const { data } = await cluster.get(['configmap', 'liburna-agent-config', '-n', system]) as { data: { 'node.yaml': string } } // as in its manifest
  const lines = data['node.yaml'].split('\n').filter(line => line !== '' && !line.startsWith('guard:'))
  await cluster.kubectl(['patch', 'configmap', 'liburna-agent-config', '-n', system, '-p', JSON.stringify({ data: { 'node.yaml': [...lines, more, ''].join('\n') } })])
  await liburna.endAgents()
  await cluster.waitReady(['daemonset/liburna-agent'], { namespace: system, withinMs: 180_000 })
}

async function guardIsThere (): Promise<boolean[]> {
  return Promise.all(cluster.nodes.map(async node => (await node.must(['nft', 'list', 'tables'])).includes('liburna_guard')))
}

t.test('with the guard on, what was judged goes on, and so does what is not captured', async t => {
  await configure('guard: {interfaces: [cni0]}')
  t.same(await guardIsThere(), [true, true])
  t.equal(await liburna.metric('n2', 'liburna_host_guard'), 1)
  await client.settles('allowed')
  // The kubelet's port of the other node, by way of this node.
  await soon(async () => (await cluster.tryExec('out', shell(`nc -w 5 ${cluster.node('n1').address} 10250 </dev/null`), { namespace: shop })).code === 0)
  await cluster.waitReady(['pod/web'], { namespace: shop })
})

t.test('a pod that starts while no agent runs is held until there is one', async t => {
  const meanwhile = liburna.traffic('n2', shop, 'meanwhile')
  await liburna.removeAgents(t)
  await cluster.apply(JSON.stringify(pod('meanwhile', { namespace: shop, node: 'n2', app: 'client', ...caller(place) })))
  await cluster.waitReady(['pod/meanwhile'], { namespace: shop })
  t.equal((await meanwhile.tries()).ok, 0, 'it runs, and gets nowhere')
  t.same(await guardIsThere(), [true, true])
  await liburna.returnAgents()
  await cluster.waitReady(['daemonset/liburna-agent'], { namespace: system, withinMs: 180_000 })
  await meanwhile.settles('allowed')
  t.match(await liburna.record('n1', ({ direction, source }) => direction === 'inbound' && source.name === 'meanwhile'), { peer: 'verified', verdict: 'allowed' })
})

t.test('switched off it leaves nothing', async t => {
  await configure('')
  t.same(await guardIsThere(), [false, false])
  await client.settles('allowed')
})
