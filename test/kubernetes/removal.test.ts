/** `kubectl delete -k` leaves nothing behind: not in a pod's network, not on a node, not at the API server. */

import t from 'tap'
import { waitFor } from './index.ts'
import { caller, echoServer, install, networkPolicy, openLiburna, Overlay, pod } from './liburna/index.ts'
import { objectsLeft, podNetworks, tracesOn } from './liburna/leftovers.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'removal-test'
const place = `${cluster.node('n1').address}:31680`

await liburna.shop(t, shop,
  networkPolicy(shop, 'web', 'client'),
  pod('web', { namespace: shop, node: 'n1', ...echoServer(8080), container: { ports: [{ containerPort: 8080, hostPort: 31680 }] } }),
  pod('client', { namespace: shop, node: 'n2', ...caller(place) }),
  pod('other', { namespace: shop, node: 'n2', ...caller(place) }))
await cluster.kubectl(['label', 'namespace', shop, 'liburna.io/enforce-'])
await cluster.waitReady(['pod/web', 'pod/client', 'pod/other'], { namespace: shop })
const [client, other] = [liburna.traffic('n2', shop, 'client'), liburna.traffic('n2', shop, 'other')]
for (const traffic of [client, other]) await traffic.settles('allowed')

/** Of all pods, by the names of their namespaces. */
async function networks (): Promise<Readonly<Record<string, string>>> {
  return Object.assign({}, ...await Promise.all(cluster.nodes.map(podNetworks))) as Record<string, string> // that is what each of them is
}

t.test('after `kubectl delete -k` everything is as it was, and pods talk as before', async t => {
  const before = await networks()
  await cluster.kubectl(['label', 'namespace', shop, 'liburna.io/enforce=true'])
  await client.settles('allowed')
  await other.settles('denied')
  t.not(JSON.stringify(await networks()), JSON.stringify(before), 'there is something to be taken away')
  for (const node of cluster.nodes) t.not((await tracesOn(node)).length, 0)

  using overlay = new Overlay()
  await cluster.kubectl(['delete', '-k', overlay.folder, '--timeout=120s'], undefined, { withinMs: 150_000 })

  await other.settles('allowed')
  await client.settles('allowed')
  const after = await networks()
  t.equal(Object.keys(after).length >= 3, true, 'the pods of the test')
  // The issuers had networks of their own.
  t.same(after, Object.fromEntries(Object.entries(before).filter(([name]) => name in after)), 'rules, routes and settings of pods')
  for (const node of cluster.nodes) {
    // The kubelet removes the logs of pods that are gone once a minute.
    await waitFor(async () => (await tracesOn(node)).every(trace => !trace.startsWith('/var/log/pods/')), { withinMs: 240_000, pauseMs: 1000 })
    t.same(await tracesOn(node), [], `files, rules and BPF programs of ${node.name}`)
  }
  t.same(await objectsLeft(cluster), [])
  await cluster.kubectl(['label', 'namespace', shop, 'liburna.io/enforce-'])
})

t.test('it can be installed again', async t => {
  await install(cluster, text => { t.comment(text) })
  await cluster.kubectl(['label', 'namespace', shop, 'liburna.io/enforce=true'])
  await other.settles('denied')
  await client.settles('allowed')
})
