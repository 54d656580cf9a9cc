/** Connections that follow each other in one session between two agents. */

import { eventually } from '../fixtures/eventually.ts'
import { allowIngress, openShop } from '../fixtures/lab/index.ts'
import { sessionCount } from '../fixtures/sessions.ts'
import { labTest } from './lab-test.ts'
import type { SessionSource } from '../../src/observe/index.ts'
import type { LabAgent } from '../fixtures/lab/agent.ts'

/** Every address of another node is rewritten on the way. */
const kept = { reuse: { ageRewritten: '10m' } }

/** How often hands were shaken, in full or resting on an earlier handshake, and how often that was not needed. */
async function sessions (agent: LabAgent, direction: string): Promise<Record<'fresh' | 'reused', number>> {
  const text = await agent.metrics()
  const count = (source: SessionSource): number => sessionCount(text, direction, source)
  return { fresh: count('fresh') + count('resumed'), reused: count('reused') }
}

labTest('a hundred connections take a handful of handshakes, and have a record each at both ends', async t => {
  await using shop = await openShop({ settings: kept })
  const { front, web, webByNode, westAgent, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  t.same(await front.burst(webByNode, { count: 100, concurrency: 4, expect: 'web' }), { ok: 100 })
  await eventually(() => westAgent.records.count === 100 && eastAgent.records.count === 100)
  const flows = [westAgent, eastAgent].map(agent => agent.records.all({ outcome: 'completed', peer: 'verified', mode: 'encrypt', verdict: 'allowed' }).map(({ flow }) => flow).sort())
  t.equal(new Set(flows[0]).size, 100)
  t.same(flows[0], flows[1], 'both ends name each connection alike')
  const [out, into] = [await sessions(westAgent, 'outbound'), await sessions(eastAgent, 'inbound')]
  t.ok(out.fresh <= 20, `${out.fresh} handshakes`)
  t.same(out, into)
  t.equal(out.fresh + out.reused, 100)
  t.same([...new Set(eastAgent.records.all().map(({ source }) => source.name))], ['front'])
})

labTest('policy and labels of now decide each connection, whatever the session has carried before', async t => {
  await using shop = await openShop({ settings: kept })
  const { front, web, webByNode, westAgent, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  t.same(await front.burst(webByNode, { count: 5, expect: 'web' }), { ok: 5 })
  await eastAgent.writePolicy('web-from-front', allowIngress('web-from-front', { of: { app: 'web' }, with: { app: 'nobody' } }))
  await eventually(async () => (await front.burst(webByNode, { count: 1 }))['ok'] === undefined)
  // The one that failed may have been open when the policy came; the next one was not.
  t.notOk((await front.burst(webByNode, { count: 1 }))['ok'])
  t.match(await eastAgent.records.one({ outcome: 'denied-by-policy' }), { verdict: 'denied', source: { name: 'front' } })
  t.match(await westAgent.records.one({ outcome: 'denied-by-peer' }), { verdict: 'denied', destination: { name: 'web' } })
  await eastAgent.writePolicy('web-from-front', allowIngress('web-from-front', { of: { app: 'web' }, with: { tier: 'new' } }))
  await westAgent.relabel(front, { app: 'front', tier: 'new' })
  await eventually(async () => (await front.burst(webByNode, { count: 1 }))['ok'] === 1)
  t.same(await front.burst(webByNode, { count: 5, expect: 'web' }), { ok: 5 })
  await westAgent.relabel(front, { app: 'front' })
  await eventually(async () => (await front.burst(webByNode, { count: 1 }))['ok'] === undefined)
})

labTest('an agent that dies while sessions rest is not noticed by the next connection', async t => {
  await using shop = await openShop({ settings: kept })
  const { front, web, webByNode, westAgent, eastAgent } = shop
  await web.serve.answer(8080, 'web')
  t.same(await front.burst(webByNode, { count: 20, concurrency: 4, expect: 'web' }), { ok: 20 })
  const before = await sessions(westAgent, 'outbound')
  await eastAgent.kill()
  await eastAgent.restart()
  t.same(await front.burst(webByNode, { count: 20, concurrency: 4, expect: 'web' }), { ok: 20 })
  t.ok((await sessions(westAgent, 'outbound')).fresh > before.fresh)
  t.same(await sessions(eastAgent, 'inbound').then(({ fresh, reused }) => fresh + reused), 20)
})

labTest('behind a Service the balancer goes on to choose, although the client is never quiet', async t => {
  await using shop = await openShop({ secondBackend: true })
  const { front, web, web2, webByBalancer, westAgent } = shop
  await web.serve.answer(8080, 'web')
  await web2?.serve.answer(8080, 'two')
  await eventually(async () => {
    t.same(await front.burst(webByBalancer, { count: 10, concurrency: 1 }), { ok: 10 })
    const reached = new Set(westAgent.records.all({ outcome: 'completed' }).map(({ destination }) => destination.name))
    return reached.has('web') && reached.has('web-2')
  }, 30_000)
  t.ok((await sessions(westAgent, 'outbound')).reused > 0)
})
