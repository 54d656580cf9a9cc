/** Parts of Kubernetes and of liburna go away and come back; traffic between pods does not notice. */

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { nodeNames } from './index.ts'
import { caller, echoServer, networkPolicy, openLiburna, pod, soon, system } from './liburna/index.ts'
import type { Test } from 'tap'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'faults-test'
const place = `${cluster.node('n1').address}:31480`

await liburna.shop(t, shop,
  networkPolicy(shop, 'web', 'client'),
  pod('web', { namespace: shop, node: 'n1', ...echoServer(8080), container: { ports: [{ containerPort: 8080, hostPort: 31480 }] } }),
  pod('client', { namespace: shop, node: 'n2', ...caller(place) }),
  pod('other', { namespace: shop, node: 'n2', ...caller(place) }))
await cluster.waitReady(['pod/web', 'pod/client', 'pod/other'], { namespace: shop })
const [client, other] = [liburna.traffic('n2', shop, 'client'), liburna.traffic('n2', shop, 'other')]
await client.settles('allowed')
await other.settles('denied')

/** While `fault` runs, and a little longer, everything is as it was: no allowed connection fails, none that is denied gets through, and the live one lives. */
async function unnoticed (test: Test, fault: () => Promise<void>): Promise<void> {
  const [before, beside, changes] = [client.sums(), other.sums(), client.changes().length]
  await fault()
  const after = await client.goesOn()
  await other.goesOn()
  test.equal(after.failed, before.failed, 'no allowed connection has failed')
  test.equal(other.sums().ok, beside.ok, 'none that is denied got through')
  test.same(client.changes().slice(changes), [], 'the live connection lives')
  test.comment(`${after.ok - before.ok} new connections meanwhile`)
}

async function agesOfPods (): Promise<number[]> {
  return Promise.all(nodeNames.map(async node => liburna.metric(node, 'liburna_facts_age_seconds{kind="pods"}')))
}

/** Agents and nodes have come to themselves: a kubelet that has lost its API server takes a while to notice that it is back. */
async function healed (): Promise<void> {
  await soon(async () => (await agesOfPods()).every(age => age === 0))
  await cluster.waitReady(nodeNames.map(name => `node/${name}`), { withinMs: 180_000 })
}

t.test('the API server is away for a minute', async t => {
  await unnoticed(t, async () => {
    await cluster.stop('apiserver', 'SIGKILL')
    try {
      // It is the one thing here that is about time itself.
      await sleep(60_000)
      t.equal((await agesOfPods()).every(age => age > 50), true, 'how old the facts are is told')
      for (const node of nodeNames) t.equal((await liburna.ask(node, '/readyz')).code, 0, 'and the agents stay ready')
    } finally {
      await cluster.start('apiserver')
    }
    await healed()
  })
})

t.test('etcd is restarted', async t => {
  await unnoticed(t, async () => {
    await cluster.stop('etcd', 'SIGKILL')
    await cluster.start('etcd')
    await healed()
  })
})

t.test('all issuers are deleted', async t => {
  await unnoticed(t, async () => {
    await cluster.kubectl(['delete', 'pods', '-n', system, '-l', 'app.kubernetes.io/component=issuer', '--grace-period=1', '--wait=true'], undefined, { withinMs: 180_000 })
    await cluster.waitReady(['deployment/liburna-issuer'], { namespace: system, withinMs: 180_000 })
  })
})

t.test('the kubelets are restarted', async t => {
  await unnoticed(t, async () => {
    for (const node of nodeNames) {
      await cluster.stop(`kubelet-${node}`, 'SIGKILL')
      await cluster.start(`kubelet-${node}`)
    }
  })
})

t.test('containerd is restarted, and tells the agents of pods again', async t => {
  await unnoticed(t, async () => {
    for (const node of nodeNames) {
      await cluster.stop(`containerd-${node}`, 'SIGKILL')
      await soon(async () => await liburna.metric(node, 'liburna_runtime_tells_of_pods') === 0)
      await cluster.start(`containerd-${node}`)
      await soon(async () => await liburna.metric(node, 'liburna_runtime_tells_of_pods') === 1)
    }
  })
  // After all of it a new pod is captured before it starts, and judged.
  await cluster.apply(JSON.stringify(pod('late', { namespace: shop, node: 'n2', app: 'client', early: `nc -w 5 ${place.replace(':', ' ')} </dev/null` })))
  await cluster.waitReady(['pod/late'], { namespace: shop })
  t.match(await liburna.record('n1', ({ direction, source }) => direction === 'inbound' && source.name === 'late'), { peer: 'verified', verdict: 'allowed' })
})
