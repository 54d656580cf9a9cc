/** Agents come and go, under load: nothing is let through unjudged, no new connection is refused, pods that start meanwhile wait. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { agentImage, waitFor } from './index.ts'
import { caller, echoServer, listOf, namespaceOf, networkPolicy, openLiburna, pod, soon, system } from './liburna/index.ts'
import type { AgentPod, Change } from './liburna/index.ts'
import type { Test } from 'tap'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'upgrade-test'
const outside = 'upgrade-test-outside'
const place = `${cluster.node('n1').address}:31580`
const daemonSet = ['daemonset/liburna-agent', '-n', system]

t.teardown(async () => { await cluster.kubectl(['delete', 'namespace', outside, '--ignore-not-found', '--wait=false']) })
await liburna.shop(t, shop,
  networkPolicy(shop, 'web', 'client'),
  pod('web', { namespace: shop, node: 'n1', ...echoServer(8080), container: { ports: [{ containerPort: 8080, hostPort: 31580 }] } }),
  pod('client', { namespace: shop, node: 'n2', ...caller(place) }),
  pod('other', { namespace: shop, node: 'n2', ...caller(place) }))
// Without an agent of its own it has the label that is let in, and cannot prove it.
await cluster.apply(listOf(namespaceOf(outside, {}), pod('client', { namespace: outside, node: 'n2', ...caller(place) })))
await cluster.waitReady(['pod/web', 'pod/client', 'pod/other'], { namespace: shop })
await cluster.waitReady(['pod/client'], { namespace: outside })
const client = liburna.traffic('n2', shop, 'client')
const denied = [liburna.traffic('n2', shop, 'other'), liburna.traffic('n2', outside, 'client')]
await client.settles('allowed')
for (const traffic of denied) await traffic.settles('denied')
const unjudged = denied.map(traffic => traffic.sums().ok)

/** While it goes on, and a little longer: whoever is allowed gets through sooner or later, whoever is not never does. Resolves with the changes that the allowed one has seen. */
async function judged (test: Test, task: () => Promise<void>): Promise<readonly Change[]> {
  const [before, changes] = [await client.tries(), client.changes().length]
  await task()
  const after = await client.goesOn()
  for (const traffic of denied) await traffic.tries()
  test.equal(after.failed, before.failed, 'no new connection of an allowed pod was refused')
  test.same(denied.map(traffic => traffic.sums().ok), unjudged, 'nothing ever got through unjudged')
  test.comment(`${after.ok - before.ok} new connections meanwhile; the slowest ever took ${after.slowestMs} ms`)
  return client.changes().slice(changes)
}

/** Hash of what the DaemonSet's pods are to be now. */
async function revision (): Promise<string> {
  const { items } = await cluster.get(['controllerrevisions', '-n', system, '-l', 'app.kubernetes.io/component=agent']) as { items: { revision: number, metadata: { labels: Readonly<Record<string, string>> } }[] } // a list of them
  return items.toSorted((a, b) => b.revision - a.revision)[0]?.metadata.labels['controller-revision-hash'] ?? ''
}

/**
 * Resolves when each node is served by an agent of now, and its former one was told to end. `kubectl rollout status` waits for longer: for a DaemonSet a node counts as
 * updated when the former pod is gone, and that one waits for its last connections.
 */
async function rolledOut (): Promise<void> {
  await waitFor(async () => {
    const wanted = await revision()
    const serving = (await liburna.agents()).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    const isOfNow = ({ metadata, status }: AgentPod): boolean => metadata.labels['controller-revision-hash'] === wanted && status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
    return serving.length === cluster.nodes.length && serving.every(isOfNow)
  }, { withinMs: 240_000, pauseMs: 500 })
}

/** Ends agents that have handed over and wait for their last connections: until then a node gets no further one. */
async function endFormer (): Promise<void> {
  await liburna.agentsEnded()
  await client.settles('allowed')
}

t.test('the agents are restarted, one node after the other', async t => {
  const changes = await judged(t, async () => {
    await cluster.kubectl(['rollout', 'restart', ...daemonSet])
    await rolledOut()
  })
  t.same(changes, [], 'the live connection lives')
})

t.test('a rollout that begins while agents of the one before still end goes on, and pods of the node start meanwhile', async t => {
  const ending = (await liburna.agents()).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
  t.equal(ending.length, cluster.nodes.length, 'they wait for the live connection')
  const changes = await judged(t, async () => {
    await cluster.kubectl(['rollout', 'restart', ...daemonSet])
    await rolledOut()
    await cluster.apply(listOf(pod('beside', { namespace: shop, node: 'n1' })))
    await cluster.waitReady(['pod/beside'], { namespace: shop })
  })
  t.same(changes, [], 'the live connection lives')
  const stillEnding = (await liburna.agents()).filter(({ metadata }) => metadata.deletionTimestamp !== undefined).map(({ metadata }) => metadata.name)
  t.ok(ending.every(({ metadata }) => stillEnding.includes(metadata.name)), 'and so do the first')
})

t.test('the agents are upgraded to another image by a rolling update', async t => {
  const next = agentImage.replace(/:1$/, ':next')
  await endFormer()
  for (const node of cluster.nodes) await node.must(['ctr', '-n', 'k8s.io', 'images', 'tag', '--force', agentImage, next])
  const changes = await judged(t, async () => {
    await cluster.kubectl(['set', 'image', ...daemonSet, `agent=${next}`])
    await rolledOut()
  })
  t.same(changes, [], 'the live connection lives')
  await endFormer()
  await cluster.kubectl(['set', 'image', ...daemonSet, `agent=${agentImage}`])
  await rolledOut()
})

/** As README.md says for containerd: no pod starts without our plugin, but for those that may. */
const validator = `
[plugins."io.containerd.nri.v1.nri".default_validator]
  enable = true
  required_plugins = ["liburna"]
  tolerate_missing_plugins_annotation = "liburna.io/may-start-alone"
`

t.test('without agents the guard holds, and a pod that is made meanwhile does not start', async t => {
  const config = join(cluster.node('n2').runFolder, 'containerd.toml')
  const former = readFileSync(config, 'utf8')
  const reload = async (text: string): Promise<void> => {
    writeFileSync(config, text)
    await cluster.stop('containerd-n2')
    await cluster.start('containerd-n2')
  }
  await reload(former + validator)
  t.teardown(async () => reload(former))
  await soon(async () => await liburna.metric('n2', 'liburna_runtime_tells_of_pods') === 1)
  // What an agent had in hand when it was ended by force is cut; whatever begins from then on is to get through.
  await liburna.removeAgents(t)
  await judged(t, async () => {
    const { ok } = await client.tries()
    t.equal((await client.tries()).ok, ok, 'new connections are held')
    await cluster.apply(listOf(pod('meanwhile', { namespace: shop, node: 'n2', app: 'client', early: `nc -w 5 ${place.replace(':', ' ')} </dev/null` })))
    await soon(async () => (await cluster.kubectl(['get', 'events', '-n', shop, '--field-selector', 'involvedObject.name=meanwhile', '-o', 'jsonpath={.items[*].message}'])).includes('liburna'))
    t.equal(await cluster.kubectl(['get', 'pod', 'meanwhile', '-n', shop, '-o', 'jsonpath={.status.initContainerStatuses[0].started}']), 'false')
    await liburna.returnAgents()
    await rolledOut()
  })
  await cluster.waitReady(['pod/meanwhile'], { namespace: shop })
  t.match(await liburna.record('n1', ({ direction, source }) => direction === 'inbound' && source.name === 'meanwhile'), { peer: 'verified', verdict: 'allowed' }, 'then it starts, captured')
})
