/** What the lab shows with relay threads, in short with the streams of Node; all of it with them: `npm run test:long`. */

import { allowIngress, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const bytes = 64 * 1024 * 1024

labTest('the streams of Node carry and judge as relay threads do, but never leave TLS', async t => {
  await using shop = await openShop({
    policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) },
    settings: { relay: { kind: 'streams' }, mode: 'authenticate' },
  })
  const { front, batch, web, east, eastAgent, westAgent, webByNode } = shop
  await web.serve.answer(8080, 'web')
  for (let i = 0; i < 3; i++) t.same(await front.burst(webByNode, { count: 10, expect: 'web' }), { ok: 10 })
  for (const agent of [eastAgent, westAgent]) t.match(await agent.records.one({ outcome: 'completed' }), { mode: 'encrypt', peer: 'verified', verdict: 'allowed' })
  t.notOk((await batch.burst(webByNode, { count: 3 }))['ok'])

  await web.serve.digest(9001)
  const sent = await front.upload(await east.hostPort(30901, web, 9001), bytes)
  t.equal(sent.reply, `${bytes} ${sent.digest}\n`, 'every byte arrived, in order')

  await web.serve.echo(9004)
  const live = await front.connect(await east.hostPort(30904, web, 9004))
  t.ok(await live.echoes('hello'))
  await eastAgent.writePolicy('web', allowIngress('web', { of: { app: 'web' }, with: { app: 'batch' } }))
  t.equal(await live.ended(), 'reset', 'a live connection that is denied now')
  t.notOk((await front.burst(webByNode, { count: 3 }))['ok'])
})
