/** What TCP promises to applications still holds with two agents in between. */

import { eventually } from '../fixtures/eventually.ts'
import { allowIngress, openShop, patternDigest } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'
import type { Shop } from '../fixtures/lab/index.ts'

const mebibyte = 1024 * 1024
const transferBytes = 1024 * mebibyte

const everything = { policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) } }

/** A port of `web` as the other node reaches it. */
async function exposed ({ east, web }: Shop, port: number): Promise<string> {
  return east.hostPort(30000 + port % 1000, web, port)
}

labTest('a client may end its direction and still be answered', async t => {
  await using shop = await openShop(everything)
  const server = await shop.web.serve.digest(9001)
  const sent = await shop.front.upload(await exposed(shop, 9001), transferBytes)
  t.equal(sent.reply, `${transferBytes} ${sent.digest}\n`, 'every byte arrived, in order')
  t.match(await server.served(), [{ bytes: transferBytes, ending: 'fin' }])
  t.match(await shop.eastAgent.records.one({ outcome: 'completed' }), { bytesSent: transferBytes, bytesReceived: sent.reply.length })
  t.match(await shop.westAgent.records.one({ outcome: 'completed' }), { bytesSent: transferBytes, bytesReceived: sent.reply.length })
})

labTest('a server may end its direction and still be told something', async t => {
  await using shop = await openShop(everything)
  const server = await shop.web.serve.source(9002, transferBytes, 7)
  const received = await shop.front.download(await exposed(shop, 9002), 'thanks')
  t.equal(received.bytes, transferBytes)
  t.equal(received.digest, patternDigest(transferBytes, 7), 'every byte arrived, in order')
  await eventually(async () => (await server.served())[0]?.ending === 'fin')
  t.match(await server.served(), [{ bytes: 'thanks'.length }], 'what was said after the FIN of the server arrived')
})

labTest('a reset reaches the other end as a reset', async t => {
  await using shop = await openShop(everything)
  const { front, web } = shop
  await web.serve.reset(9003, 3)
  const reset = await front.connect(await exposed(shop, 9003))
  await reset.write('abc')
  t.equal(await reset.ended(), 'reset', 'from the server')
  await shop.eastAgent.records.one({ outcome: 'reset-by-server' })
  await shop.westAgent.records.one({ outcome: 'reset-by-server' })

  const server = await web.serve.echo(9004)
  const resetting = await front.connect(await exposed(shop, 9004))
  t.ok(await resetting.echoes('hello'))
  await resetting.reset()
  await eventually(async () => (await server.served())[0]?.ending === 'reset')
  await shop.eastAgent.records.one({ outcome: 'reset-by-client' })
  await shop.westAgent.records.one({ outcome: 'reset-by-client' })
})

labTest('a slow reader slows its writer, and memory stays bounded', async t => {
  await using shop = await openShop(everything)
  const { front, web, westAgent, eastAgent } = shop
  const server = await web.serve.digest(9005, true)
  const resident = async (): Promise<number> => await westAgent.residentBytes() + await eastAgent.residentBytes()
  const before = await resident()
  const connection = await front.connect(await exposed(shop, 9005))
  const bytes = 256 * mebibyte
  const flood = connection.flood(bytes)
  // Stalled: two looks, half a second apart, see the same.
  let seen = -1
  await eventually(async () => {
    const now = await connection.taken()
    const stalled = now === seen && now > 0
    seen = now
    await new Promise(resolve => setTimeout(resolve, 500))
    return stalled
  }, 30_000)
  t.ok(seen < 64 * mebibyte, `the writer stopped after ${seen} bytes`)
  const grown = await resident() - before
  t.ok(grown < 64 * mebibyte, `the agents grew by ${grown} bytes`)
  await server.resume()
  const sent = await flood
  await connection.finish()
  t.equal(await connection.readUntil('\n'), `${bytes} ${sent.digest}\n`, 'and nothing is lost')
})

labTest('a server that speaks first is heard at once', async t => {
  await using shop = await openShop({ policies: {} })
  const { front, rogue, db, east } = shop
  await db.serve.sshd(22)
  await db.serve.mariadb(3306)
  for (const [name, port, banner] of [['sshd', 22, 'SSH-2.0-'], ['mariadb', 3306, 'MariaDB']] as const) {
    const address = await east.hostPort(31000 + port, db, port)
    const direct: number[] = []
    const through: number[] = []
    for (let i = 0; i < 5; i++) {
      // From inside the pod there is no agent in between; from another node without one there is one.
      for (const [pod, at, times] of [[db, db.at(port), direct], [front, address, through]] as const) {
        const connection = await pod.connect(at)
        t.match(await connection.readUntil(banner), banner)
        times.push(await connection.firstByteMs())
        await connection.reset()
      }
    }
    const extra = Math.min(...through) - Math.min(...direct)
    t.ok(extra < 50, `${name}: ${extra.toFixed(1)} ms later than a direct connection`)
    const plain = await rogue.connect(address)
    t.match(await plain.readUntil(banner), banner, 'also for a client without an agent')
    await plain.reset()
  }
}, 'program:sshd', 'program:mariadbd')

labTest('the application sees the address that the client has on the wire', async t => {
  await using shop = await openShop({ policies: {} })
  const { front, batch, rogue, web, webByNode, webByBalancer6 } = shop
  const server = await web.serve.answer(8080, 'web')
  const status = await front.serve.answer(80, 'front')
  t.same(await front.burst(webByNode, { count: 1 }), { ok: 1 })
  t.same(await rogue.burst(webByNode, { count: 1 }), { ok: 1 })
  t.same(await front.burst(webByBalancer6, { count: 1 }), { ok: 1 })
  t.same((await server.served()).map(({ peer }) => peer.replace(/:\d+$/, '')), ['198.18.2.1', '198.18.2.1', '[fd00:198:18:2::1]'], 'the gateway between the nodes')
  t.same(await batch.burst(front.at(80), { count: 1 }), { ok: 1 })
  t.same(await batch.burst(front.at6(80), { count: 1 }), { ok: 1 })
  t.same((await status.served()).map(({ peer }) => peer.replace(/:\d+$/, '')), [batch.ip, `[${batch.ip6}]`], 'the pod itself on one node')
})

labTest('500 connections at once', async t => {
  await using shop = await openShop(everything)
  await shop.web.serve.echo(9006)
  t.same(await shop.front.hold(await exposed(shop, 9006), 500), { ok: 500 })
})

labTest('refused and unreachable are told apart, by the client and by the records', async t => {
  await using shop = await openShop({ policies: {} })
  const { front, batch, webByNode, westAgent, eastAgent } = shop
  t.same(await front.burst(webByNode, { count: 1 }), { ECONNRESET: 1 }, 'nothing listens behind the other agent')
  await westAgent.records.one({ outcome: 'upstream-refused', destination: { name: 'web' } })
  await eastAgent.records.one({ outcome: 'upstream-refused', destination: { name: 'web' } })

  const after = westAgent.records.count
  t.notOk((await front.burst(batch.at(9), { count: 1 }))['ok'])
  await westAgent.records.one({ outcome: 'upstream-refused', direction: 'inbound' }, { after })
  t.notOk((await front.burst('10.244.0.99:80', { count: 1 }))['ok'])
  await westAgent.records.one({ outcome: 'upstream-unreachable' }, { after })
  await shop.east.pod('gone', { bare: true })
  t.notOk((await front.burst('198.18.2.2:81', { count: 1 }))['ok'])
  await westAgent.records.one({ outcome: 'upstream-refused', direction: 'outbound' }, { after })
})

labTest('a server takes its port again at once, whatever connections the agent still holds there', async t => {
  await using shop = await openShop(everything)
  const { front, web } = shop
  const address = await exposed(shop, 9007)
  for (let round = 0; round < 3; round++) {
    const server = await web.serve.echo(9007)
    const [ended, live] = [await front.connect(address), await front.connect(address)]
    t.ok(await ended.echoes('hello') && await live.echoes('hello'))
    await ended.finish()
    await server.stop()
  }
})

labTest('iperf3 runs through it both ways', async t => {
  await using shop = await openShop({ policies: {} })
  await shop.web.serve.iperf3(5201)
  const address = await exposed(shop, 5201)
  const port = address.split(':')[1] ?? ''
  for (const way of [[], ['-R'], ['-P', '8']]) {
    const { code, stdout } = await shop.front.run('iperf3', ['-J', '-t', '1', '-c', shop.east.ip, '-p', port, ...way])
    t.equal(code, 0, stdout)
    t.match(JSON.parse(stdout), { end: { sum_received: { bytes: Number } } })
  }
}, 'program:iperf3')
