/** A network of packets: it cuts TLS records at any place, and what was written together arrives in pieces. */

import { allowIngress, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const mebibyte = 1024 * 1024
const policies = { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) }

for (const mode of ['encrypt', 'authenticate'] as const) {
  labTest(`packet by packet all comes that was said, and nobody waits for what is there already: ${mode}`, async t => {
    await using shop = await openShop({ policies, wire: true, settings: { mode } })
    const { front, web, east } = shop
    await web.serve.echo(9004)
    const live = await front.connect(await east.hostPort(30004, web, 9004))
    // Sizes that are multiples of nothing: records end everywhere in a packet.
    for (let i = 1; i <= 60; i++) t.ok(await live.echoes('x'.repeat(i * 997)), `${i * 997} bytes`)
    await live.finish()
    await shop.westAgent.records.one({ outcome: 'completed' })

    const text = 'y'.repeat(20_000)
    await web.serve.answer(8080, text)
    t.same(await front.burst(shop.webByNode, { count: 200, expect: text }), { ok: 200 })

    await web.serve.digest(9001)
    const bytes = 16 * mebibyte
    const sent = await front.upload(await east.hostPort(30001, web, 9001), bytes)
    t.equal(sent.reply, `${bytes} ${sent.digest}\n`, 'every byte arrived, in order')
  }, 'program:tc')
}
