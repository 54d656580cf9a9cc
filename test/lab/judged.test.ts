/** Who may talk to whom is decided by labels, on paths where addresses say nothing. */

import { eventually } from '../fixtures/eventually.ts'
import { allowEgress, allowIngress, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const seconds = (count: number): number => count * 1000

labTest('labels decide, whichever way the connection takes', async t => {
  await using shop = await openShop()
  const { front, batch, web, webByNode, webByBalancer, webByBalancer6, westAgent, eastAgent } = shop
  await web.serve.nginx(8080, 'hello from web\n')

  for (const address of [webByNode, webByBalancer, webByBalancer6]) {
    await t.test(`to ${address}`, async t => {
      const [atWest, atEast] = [westAgent.records.count, eastAgent.records.count]
      t.match(await front.run('curl', ['-sS', '-m', '20', `http://${address}/`]), { code: 0, stdout: 'hello from web\n' })
      const client = await westAgent.records.one({ outcome: 'completed', direction: 'outbound', source: { name: 'front' }, destination: { name: 'web' } }, { after: atWest })
      const server = await eastAgent.records.one({ outcome: 'completed', direction: 'inbound', source: { name: 'front' }, destination: { name: 'web' } }, { after: atEast })
      t.equal(client.flow, server.flow, 'both ends name the flow alike')
      t.match(client, { mode: 'encrypt', peer: 'verified', verdict: 'allowed', originalDestination: address, source: { labels: { app: 'front' } } })
      t.match(server, { mode: 'encrypt', peer: 'verified', verdict: 'allowed', decidedBy: 'NetworkPolicy shop/web-from-front ingress[0]', source: { spiffeId: 'spiffe://lab.example/ns/shop/sa/front' } })
      t.ok(server.bytesReceived > 14 && client.bytesReceived === server.bytesReceived, 'application bytes are counted alike')

      t.not((await batch.run('curl', ['-sS', '-m', '20', `http://${address}/`])).code, 0)
      const refused = await westAgent.records.one({ outcome: 'denied-by-peer', source: { name: 'batch' } }, { after: atWest })
      const refusing = await eastAgent.records.one({ outcome: 'denied-by-policy', source: { name: 'batch' } }, { after: atEast })
      t.equal(refused.flow, refusing.flow)
      t.equal(refused.decidedBy, refusing.decidedBy, 'the client end is told the rule')
      t.equal(refused.reason, refusing.reason, 'and the reason')
      t.equal(refusing.verdict, 'denied')
    })
  }
}, 'program:nginx', 'program:curl')

labTest('the same address on the two nodes is two workloads', async t => {
  const policies = { status: allowIngress('status', { of: { app: 'front' }, with: { app: 'batch' } }), web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) }
  await using shop = await openShop({ policies })
  const { front, batch, web, db } = shop
  t.equal(front.ip, web.ip)
  await front.serve.answer(8080, 'front')
  await web.serve.answer(8080, 'web')
  t.same(await batch.burst('10.244.0.2:8080', { count: 3, expect: 'front' }), { ok: 3 })
  t.notOk((await db.burst('10.244.0.2:8080', { count: 3, expect: 'web' }))['ok'])
})

labTest('a pod that calls itself or its neighbour by way of the node or the load balancer is who it is', async t => {
  await using shop = await openShop({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'web' } }) } })
  const { web, db, webByNode, webByBalancer, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  for (const address of [webByNode, webByBalancer]) {
    t.same(await web.burst(address, { count: 1, expect: 'web' }), { ok: 1 }, `itself by ${address}`)
    t.notOk((await db.burst(address, { count: 1 }))['ok'], `its neighbour by ${address}`)
  }
  t.match(await eastAgent.records.one({ direction: 'inbound', outcome: 'completed' }), { peer: 'verified', source: { name: 'web' }, destination: { name: 'web' } })
})

labTest('the client end decides, too', async t => {
  await using shop = await openShop({ policies: { egress: allowEgress('front-to-web', { of: { app: 'front' }, with: { app: 'web' }, ports: ['http'] }) } })
  const { front, web, db, webByNode, dbByNode, westAgent, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  const databases = await db.serve.answer(3306, 'db')
  t.same(await front.burst(webByNode, { count: 1, expect: 'web' }), { ok: 1 }, 'a named port of the other pod, behind NAT')
  t.notOk((await front.burst(dbByNode, { count: 1 }))['ok'])
  t.match(await westAgent.records.one({ outcome: 'denied-by-policy' }), { source: { name: 'front' }, destination: { name: 'db' }, verdict: 'denied' })
  t.match(await eastAgent.records.one({ outcome: 'denied-by-peer' }), { source: { name: 'front' }, destination: { name: 'db' } })
  t.same(await databases.served(), [], 'nothing of it reached the application')
})

labTest('a client without identity is refused, although its address is that of an allowed one', async t => {
  await using shop = await openShop()
  const { front, rogue, web, webByNode, eastAgent } = shop
  const server = await web.serve.answer(8080, 'web')
  t.same(await front.burst(webByNode, { count: 1 }), { ok: 1 })
  t.notOk((await rogue.burst(webByNode, { count: 1 }))['ok'])
  t.match(await eastAgent.records.one({ outcome: 'denied-by-policy' }), { peer: 'no-agent', mode: 'plain', source: { spiffeId: '', address: /^198\.18\.2\.1:/ } })
  t.match((await eastAgent.records.one({ outcome: 'completed' })).source.address, /^198\.18\.2\.1:/)
  t.equal((await server.served()).length, 1)
})

labTest('metrics and records count the same connections', async t => {
  await using shop = await openShop()
  const { front, batch, web, webByNode, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  await front.burst(webByNode, { count: 3 })
  await batch.burst(webByNode, { count: 2 })
  await eventually(() => eastAgent.records.count === 5)
  const lines = (await eastAgent.metrics()).split('\n').filter(line => line.startsWith('liburna_flows_total{'))
  const sum = (outcome: string): number => lines.filter(line => line.includes(`outcome="${outcome}"`)).reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  t.equal(sum('completed'), 3)
  t.equal(sum('denied-by-policy'), 2)
})

labTest('rules about addresses allow those without an agent, and only those', async t => {
  const policies = {
    web: allowIngress('web-from-anywhere', { of: { app: 'web' }, with: ['0.0.0.0/0'] }),
    out: allowEgress('batch-to-outside', { of: { app: 'batch' }, with: ['198.18.2.0/24'] }),
  }
  await using shop = await openShop({ policies })
  const { batch, front, rogue, web, plain, east, webByNode } = shop
  await web.serve.answer(8080, 'web')
  await plain.serve.answer(80, 'plain')
  const plainByNode = await east.hostPort(30081, plain, 80)
  t.same(await rogue.burst(webByNode, { count: 1 }), { ok: 1 }, 'in')
  t.same(await batch.burst(plainByNode, { count: 1 }), { ok: 1 }, 'out')
  t.notOk((await front.burst(webByNode, { count: 1 }))['ok'], 'a proven peer is not an address')
})

labTest('no byte of an application passes between the nodes in clear', async t => {
  await using shop = await openShop()
  const { lab, front, rogue, web, plain, east, webByBalancer } = shop
  const secret = 'the-secret-of-the-shop'
  await web.serve.nginx(8080, secret)
  await plain.serve.nginx(80, secret)
  const plainByNode = await east.hostPort(30081, plain, 80)

  const quiet = await lab.capture()
  t.equal((await front.run('curl', ['-sS', `http://${webByBalancer}/?ask=${secret}`])).stdout, secret)
  const packets = await quiet.stop()
  t.ok(packets.length > 4000, 'the handshake alone is that long')
  t.notOk(packets.includes(secret))

  const loud = await lab.capture()
  t.equal((await rogue.run('curl', ['-sS', `http://${plainByNode}/`])).stdout, secret)
  t.ok((await loud.stop()).includes(secret), 'without agents it is seen, so the capture works')
}, 'program:nginx', 'program:curl', 'program:tcpdump')

labTest('a change of policy closes within a second what it denies, and nothing else', async t => {
  await using shop = await openShop({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }), db: allowIngress('db', { of: { app: 'db' }, with: { app: 'front' } }) } })
  const { front, web, db, webByBalancer, dbByNode, eastAgent, westAgent } = shop
  await web.serve.echo(8080)
  await db.serve.echo(3306)
  const [denied, kept] = [await front.connect(webByBalancer), await front.connect(dbByNode)]
  t.ok(await denied.echoes('one\n'))
  t.ok(await kept.echoes('one\n'))

  await eastAgent.writePolicy('web', allowIngress('web', { of: { app: 'web' }, with: { app: 'batch' } }))
  t.not(await denied.ended(seconds(1)), 'open')
  t.match(await eastAgent.records.one({ outcome: 'policy-changed' }), { verdict: 'denied', destination: { name: 'web' } })
  t.match(await westAgent.records.one({ outcome: 'closed-by-peer' }), { destination: { name: 'web' }, detail: /policy-changed/ })
  t.ok(await kept.echoes('two\n'), 'what is still allowed goes on')
  t.notOk((await front.burst(webByBalancer, { count: 1 }))['ok'], 'and a new one is refused')
})

labTest('a change of a label closes within a second what it denies, and flips new connections', async t => {
  await using shop = await openShop()
  const { front, batch, web, webByBalancer, westAgent } = shop
  await web.serve.echo(8080)
  const live = await front.connect(webByBalancer)
  t.ok(await live.echoes('one\n'))
  await westAgent.relabel(front, { app: 'other' })
  t.not(await live.ended(seconds(1)), 'open')
  await westAgent.relabel(batch, { app: 'front' })
  t.ok(await eventually(async () => (await batch.connect(webByBalancer)).echoes('hello\n')))
})
