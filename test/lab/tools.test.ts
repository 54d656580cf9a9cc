/** The tools that ask a running agent, beside what really happens. */

import { realToolParts } from '../../src/cli/index.ts'
import { toolWorld } from '../cli/tool-world.ts'
import { eventually } from '../fixtures/eventually.ts'
import { openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'
import type { FlowRecord } from '../../src/model/flow.ts'

interface Explained { readonly allowed: boolean, readonly ingress: { readonly decidedBy: string } }

labTest('explain says what happened, and what suggest writes allows the same again and no more', async t => {
  await using shop = await openShop()
  const { front, batch, web, db, webByNode, webByBalancer, dbByNode, westAgent, eastAgent } = shop
  const { said, run } = toolWorld({ agent: realToolParts.fetchJson })
  await web.serve.answer(8080, 'web')
  await db.serve.answer(3306, 'db')

  t.same(await front.burst(webByNode, { count: 1, expect: 'web' }), { ok: 1 })
  t.same(await front.burst(webByBalancer, { count: 1, expect: 'web' }), { ok: 1 })
  t.same(await front.burst(dbByNode, { count: 1, expect: 'db' }), { ok: 1 })
  t.notOk((await batch.burst(webByNode, { count: 1 }))['ok'])
  const happened = await eventually(() => { const all = eastAgent.records.all({ direction: 'inbound' }); return all.length === 4 ? all : undefined })

  for (const { source, destination, verdict, decidedBy, realDestination } of happened) {
    const [from, port] = [`shop/app=${source.labels['app'] ?? ''}`, portOf({ realDestination })]
    t.equal(await run('explain', '--agent', eastAgent.adminUrl, from, `shop/${destination.name}`, port, '-o', 'json'), 0, said.err)
    const explained = JSON.parse(said.out) as Explained // its fields are asserted here
    t.same({ allowed: explained.allowed, decidedBy: explained.ingress.decidedBy }, { allowed: verdict === 'allowed', decidedBy }, `${source.name} to ${destination.name}`)
  }

  t.equal(await run('suggest', '--agent', eastAgent.adminUrl), 0, said.err)
  for (const agent of [westAgent, eastAgent]) {
    await agent.writePolicy('suggested', said.out)
    await agent.removePolicy('web-from-front')
    await eventually(async () => {
      const facts = await (await agent.get('/facts')).text()
      return facts.includes('suggested-web') && facts.includes('suggested-front') && !facts.includes('web-from-front')
    })
  }
  await eventually(async () => (await batch.burst(dbByNode, { count: 1, withinMs: 1000 }))['ok'] === undefined)
  t.same(await front.burst(webByNode, { count: 1, expect: 'web' }), { ok: 1 })
  t.same(await front.burst(webByBalancer, { count: 1, expect: 'web' }), { ok: 1 })
  t.same(await front.burst(dbByNode, { count: 1, expect: 'db' }), { ok: 1 })
  t.notOk((await batch.burst(webByNode, { count: 1 }))['ok'], 'what was denied is not suggested')
})

/** Where it arrived; the end of `ip:port`. */
function portOf ({ realDestination }: Pick<FlowRecord, 'realDestination'>): string {
  return realDestination.slice(realDestination.lastIndexOf(':') + 1)
}
