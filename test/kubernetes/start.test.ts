/** Pods are captured before their first container starts: what they do first is identified and judged. */

import t from 'tap'
import { waitFor } from './index.ts'
import { listOf, networkPolicy, openLiburna, pod, podSpec, shell } from './liburna/index.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'start-test'
const url = `http://${cluster.node('n1').address}:31180/index.html`
const allowedBy = `NetworkPolicy ${shop}/web ingress[0]`

await liburna.shop(t, shop,
  networkPolicy(shop, 'web', 'client'),
  pod('web', { namespace: shop, node: 'n1', run: shell('echo web >/www/index.html; exec httpd -f -p 8080 -h /www'), container: { ports: [{ containerPort: 8080, hostPort: 31180 }], readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } } }))
await cluster.waitReady(['pod/web'], { namespace: shop })

t.test('an init container that dials at once is identified and judged', async t => {
  // Where the machine is slow a certificate may take longer than the patience of a connection.
  const early = `for i in 1 2 3 4 5 6; do timeout 20 wget -qO- ${url} && break; done; true`
  await cluster.apply(listOf(
    pod('early-client', { namespace: shop, node: 'n2', app: 'client', early }),
    pod('early-other', { namespace: shop, node: 'n2', app: 'other', early })))
  await cluster.waitReady(['pod/early-client', 'pod/early-other'], { namespace: shop })
  t.equal(await cluster.logs('early-client', { namespace: shop, container: 'early' }), 'web\n')
  t.equal((await cluster.logs('early-other', { namespace: shop, container: 'early' })).includes('web\n'), false)
  for (const [name, atServer, atClient] of [
    ['early-client', { peer: 'verified', verdict: 'allowed', decidedBy: allowedBy, outcome: 'completed' }, { peer: 'verified', verdict: 'allowed', outcome: 'completed' }],
    ['early-other', { peer: 'verified', verdict: 'denied', decidedBy: `NetworkPolicy ${shop}/web`, outcome: 'denied-by-policy' }, { peer: 'verified', outcome: 'denied-by-peer', decidedBy: `NetworkPolicy ${shop}/web` }],
  ] as const) {
    const inbound = await liburna.record('n1', ({ direction, source }) => direction === 'inbound' && source.name === name)
    const outbound = await liburna.record('n2', ({ direction, source }) => direction === 'outbound' && source.name === name)
    t.match(inbound, atServer)
    t.match(outbound, atClient)
    t.equal(inbound.flow, outbound.flow, 'both agents tell of the same connection')
  }
})

t.test('so are Jobs that live half a second, ten of them', async t => {
  const script = `timeout 20 wget -qO- ${url}; sleep 0.4`
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'brief', namespace: shop }, spec: {
    completions: 10, parallelism: 5, backoffLimit: 0,
    template: { metadata: { labels: { app: 'client' } }, spec: { nodeName: 'n2', restartPolicy: 'Never', ...podSpec({ run: shell(script) }) } },
  } }
  await cluster.apply(listOf(job))
  await cluster.kubectl(['wait', '--for=condition=Complete', 'job/brief', '-n', shop, '--timeout=120s'], undefined, { withinMs: 125_000 })
  const names = (await cluster.kubectl(['get', 'pods', '-n', shop, '-l', 'job-name=brief', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ')
  t.equal(names.length, 10)
  for (const name of names) {
    t.equal(await cluster.logs(name, { namespace: shop }), 'web\n')
    const inbound = await liburna.record('n1', ({ direction, source }) => direction === 'inbound' && source.name === name)
    const outbound = await liburna.record('n2', ({ direction, source }) => direction === 'outbound' && source.name === name)
    t.match(inbound, { peer: 'verified', verdict: 'allowed', decidedBy: allowedBy })
    t.match(outbound, { peer: 'verified', verdict: 'allowed', flow: inbound.flow })
  }
})

t.test('who opts out by annotation is a stranger', async t => {
  await cluster.apply(listOf(pod('out', { namespace: shop, node: 'n2', app: 'client', annotations: { 'liburna.io/enforce': 'false' }, early: `wget -qO- ${url} || true` })))
  await cluster.waitReady(['pod/out'], { namespace: shop })
  t.equal((await cluster.logs('out', { namespace: shop, container: 'early' })).includes('web\n'), false)
  const record = await waitFor(() => liburna.records('n1').find(({ direction, peer, verdict, source }) => direction === 'inbound' && peer === 'no-agent' && verdict === 'denied' && source.name === ''), { withinMs: 30_000 })
  t.match(record, { destination: { name: 'web' }, outcome: 'denied-by-policy' })
})
