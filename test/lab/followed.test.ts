/** A running agent follows its files, its pods and its certificates. */

import { join } from 'node:path'
import { eventually } from '../fixtures/eventually.ts'
import { allowIngress, openLab, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

labTest('a workload that is added is captured, certified and served', async t => {
  await using shop = await openShop()
  const { east, eastAgent, front, plain } = shop
  const late = await east.pod('late', { labels: { app: 'web' }, namespace: 'shop', ports: { http: 8080 } })
  const server = await late.serve.answer(8080, 'late')
  const address = await east.hostPort(30090, late, 8080)
  t.same(await plain.burst(late.at(8080), { count: 1 }), { ok: 1 }, 'not yet')
  await eastAgent.writeConfig()
  await eventually(async () => (await plain.burst(late.at(8080), { count: 1, withinMs: 1000 }))['ok'] === undefined)
  const reached = (await server.served()).length
  await eventually(async () => (await front.burst(address, { count: 1, expect: 'late' }))['ok'] === 1)
  t.match(await eastAgent.records.one({ destination: { name: 'late' }, outcome: 'completed' }), { peer: 'verified' })
  t.equal((await server.served()).length, reached + 1)
})

labTest('a workload that is taken out of the file is let go, its live connections end', async t => {
  await using shop = await openShop()
  const { east, eastAgent, front, plain, web, webByNode } = shop
  await web.serve.echo(8080)
  const live = await front.connect(webByNode)
  t.ok(await live.echoes('hello'))
  east.pods.splice(east.pods.indexOf(web), 1)
  await eastAgent.writeConfig()
  t.not(await live.ended(), 'open')
  await eastAgent.records.one({ outcome: 'workload-gone', destination: { name: 'web' } })
  await eventually(async () => (await plain.connect(web.at(8080))).echoes('hello'))
  t.equal((await web.run('nft', ['list', 'ruleset'])).stdout, '', 'no rule of ours is left in its namespace')
  t.same((await web.run('ip', ['rule', 'show'])).stdout.split('\n').filter(line => line.includes('fwmark')), [])
})

labTest('a pod that vanishes harms no other', async t => {
  await using shop = await openShop()
  const { east, eastAgent, front, web, db, webByNode } = shop
  await web.serve.answer(8080, 'web')
  await east.remove(db)
  t.same(await front.burst(webByNode, { count: 3, expect: 'web' }), { ok: 3 })
  await eastAgent.writeConfig()
  t.same(await front.burst(webByNode, { count: 3, expect: 'web' }), { ok: 3 })
  t.ok(eastAgent.running)
})

labTest('a policy file that cannot be read leaves the last good one in force', async t => {
  await using shop = await openShop()
  const { eastAgent, front, batch, web, webByNode } = shop
  await web.serve.answer(8080, 'web')
  await eastAgent.writePolicy('web-from-front', 'kind: [')
  await eventually(async () => (await (await eastAgent.get('/readyz')).text()).includes('web-from-front'))
  t.same(await front.burst(webByNode, { count: 1 }), { ok: 1 })
  t.notOk((await batch.burst(webByNode, { count: 1 }))['ok'])
})

labTest('a policy whose file is deleted binds nobody any more', async t => {
  await using shop = await openShop()
  const { eastAgent, batch, web, webByNode } = shop
  await web.serve.answer(8080, 'web')
  t.notOk((await batch.burst(webByNode, { count: 1 }))['ok'])
  await eastAgent.removePolicy('web-from-front')
  await eventually(async () => (await batch.burst(webByNode, { count: 1 }))['ok'] === 1)
})

labTest('what is excluded is not captured, and nothing else is let out', async t => {
  await using lab = await openLab()
  const node = await lab.node('only')
  const client = await node.pod('client', { bare: true })
  const web = await node.pod('web', { labels: { app: 'web' }, namespace: 'shop', exclude: { inboundPorts: [9100] } })
  const agent = await node.agent({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'nobody' } }) } })
  await web.serve.answer(9100, 'metrics')
  await web.serve.answer(8080, 'web')
  t.same(await client.burst(web.at(9100), { count: 1, expect: 'metrics' }), { ok: 1 })
  t.notOk((await client.burst(web.at(8080), { count: 1 }))['ok'])
  await agent.records.one({ outcome: 'denied-by-policy' })
  t.equal(agent.records.count, 1, 'what is not captured has no record')
})

labTest('loopback inside the pod is untouched, by either name of it', async t => {
  await using shop = await openShop()
  const { web, eastAgent } = shop
  const server = await web.serve.answer(8080, 'web')
  for (const address of ['127.0.0.1:8080', '[::1]:8080', web.at(8080), web.at6(8080)]) t.same(await web.burst(address, { count: 1 }), { ok: 1 }, address)
  t.equal((await server.served()).length, 4)
  t.equal(eastAgent.records.count, 0)
})

labTest('a live connection outlives the certificates it was opened with, as long as they are renewed', async t => {
  await using shop = await openShop({ settings: { certificates: { ttl: '3s', backdate: '1s' } } })
  const { front, web, webByNode } = shop
  await web.serve.echo(8080)
  const live = await front.connect(webByNode)
  const until = performance.now() + 7000
  let lines = 0
  while (performance.now() < until) {
    t.ok(await live.echoes(`line ${lines++}\n`))
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  t.same(await front.burst(webByNode, { count: 1, withinMs: 200 }), { late: 1 }, 'an echo server waits, so a new connection was accepted')
})

labTest('agents of two authorities meet only when each trusts the root of the other', async t => {
  await using lab = await openLab()
  const [west, east] = [await lab.node('west'), await lab.node('east')]
  const [client, web] = [await west.pod('client', { namespace: 'shop' }), await east.pod('web', { namespace: 'shop' })]
  await web.serve.answer(8080, 'web')
  const address = await east.hostPort(30080, web, 8080)
  const [westFolder, eastFolder] = [join(lab.folder, 'west-authority'), join(lab.folder, 'east-authority')]
  const options = { west: { trustDomain: 'west.example', authority: westFolder }, east: { trustDomain: 'east.example', authority: eastFolder } }
  const strangers = await Promise.all([west.agent(options.west), east.agent(options.east)])
  t.notOk((await client.burst(address, { count: 1 }))['ok'])
  await Promise.any(strangers.map(async agent => agent.records.one({ outcome: 'peer-untrusted' })))
  for (const agent of strangers) await agent.stop()

  const friends = await Promise.all([west.agent({ ...options.west, trust: [join(eastFolder, 'root.pem')] }), east.agent({ ...options.east, trust: [join(westFolder, 'root.pem')] })])
  t.same(await client.burst(address, { count: 1, expect: 'web' }), { ok: 1 })
  const [, eastAgent] = friends
  t.match(await eastAgent.records.one({ outcome: 'completed' }), { peer: 'verified', source: { spiffeId: 'spiffe://west.example/ns/shop/sa/client' }, destination: { spiffeId: 'spiffe://east.example/ns/shop/sa/web' } })
})
