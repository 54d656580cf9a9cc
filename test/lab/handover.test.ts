/**
 * An agent takes over from the one that runs, as in a rolling update with surge: start the new one, wait, stop the old one.
 *
 * Meanwhile connections come without a pause, in and out, permitted and denied, and others live on. The witness of
 * bypass.test.ts works here, too: at an application in a protected pod nobody has a port above 32767 but by a bypass.
 */

import { eventually } from '../fixtures/eventually.ts'
import { allowIngress, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'
import type { Daemon, LabPod, Server, Shop } from '../fixtures/lab/index.ts'

const localPorts = [61000, 61099] as const
const policies = { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) }
/** Longer than any test. */
const settings = { shutdown: { timeout: '1h' } }

/** Short connections, one burst after another, until they are stopped; resolves with how they ended. */
function load (pod: LabPod, address: string, expect: string): { stop (): Promise<Record<string, number>>, readonly count: () => number } {
  const tally: Record<string, number> = {}
  const state = { goesOn: true }
  const sum = (): number => Object.values(tally).reduce((all, some) => all + some, 0)
  const done = (async () => {
    while (state.goesOn) {
      for (const [ending, times] of Object.entries(await pod.burst(address, { count: 40, concurrency: 8, localPorts, expect }))) tally[ending] = (tally[ending] ?? 0) + times
    }
  })()
  return { count: sum, stop: async () => { state.goesOn = false; await done; return tally } }
}

/** SYNs that a pod's kernel had to send again: one that was dropped is. */
async function repeatedSyns (pod: LabPod): Promise<number> {
  const { stdout } = await pod.run('cat', ['/proc/net/netstat'])
  const [names = [], values = []] = stdout.split('\n').filter(line => line.startsWith('TcpExt:')).map(line => line.split(' '))
  return Number(values[names.indexOf('TCPSynRetrans')])
}

async function portsAt (server: Server): Promise<number[]> {
  return (await server.served()).map(({ peer }) => Number(peer.slice(peer.lastIndexOf(':') + 1)))
}

async function furnished (shop: Shop) {
  const { east, web, plain } = shop
  const served = await web.serve.answer(8080, 'web')
  await web.serve.echo(8081)
  const outside = await plain.serve.answer(9090, 'plain')
  return { served, outside, echoByNode: await east.hostPort(30081, web, 8081) }
}

labTest('an agent takes over under load: none refused, none unjudged, and live connections go on', async t => {
  await using shop = await openShop({ policies, settings })
  const { front, batch, web, plain, eastAgent, westAgent, webByNode } = shop
  const { served, outside, echoByNode } = await furnished(shop)
  const live = await front.connect(echoByNode)
  t.ok(await live.echoes('before'))

  const before = await Promise.all([front, web].map(repeatedSyns))
  const permitted = load(front, webByNode, 'web')
  const out = load(web, plain.at(9090), 'plain')
  const denied = load(batch, webByNode, 'web')
  const former: Daemon[] = []
  for (const agent of [eastAgent, westAgent]) {
    const counts = [permitted.count(), out.count()]
    await eventually(() => permitted.count() > (counts[0] ?? 0) + 80 && out.count() > (counts[1] ?? 0) + 80, 60_000)
    const old = await agent.succeed()
    former.push(old)
    const [reached, left] = [permitted.count(), out.count()]
    await eventually(() => permitted.count() > reached + 80 && out.count() > left + 80, 60_000)
    old.kill('SIGTERM')
    await eventually(() => permitted.count() > reached + 240 && out.count() > left + 240, 60_000)
    t.ok(old.running, 'it waits for its live connection')
    t.ok(await live.echoes(`${agent.node.name} is another`), 'which lives')
    t.ok((await agent.get('/readyz')).ok, 'the admin port is the new agent\'s')
  }
  t.same(Object.keys(await permitted.stop()), ['ok'])
  t.same(Object.keys(await out.stop()), ['ok'])
  t.notOk((await denied.stop())['ok'])
  t.same(await Promise.all([front, web].map(repeatedSyns)), before, 'no SYN had to be sent again')
  t.same((await portsAt(served)).filter(port => port > 32767), [], 'nothing got to the application but through an agent')
  t.same((await portsAt(outside)).filter(port => port >= localPorts[0]), [], 'nor out')
  await live.reset()
  await Promise.all(former.map(agent => agent.exited()))
})

labTest('a new agent that dies leaves everything to the one before it, and one after it takes over', async t => {
  await using shop = await openShop({ policies, settings })
  const { front, batch, eastAgent, webByNode } = shop
  const { served } = await furnished(shop)
  const old = await eastAgent.succeed()
  t.same(await front.burst(webByNode, { count: 20, expect: 'web' }), { ok: 20 })
  await eastAgent.kill('SIGKILL')
  t.same(await front.burst(webByNode, { count: 20, expect: 'web' }), { ok: 20 }, 'at once')
  t.notOk((await batch.burst(webByNode, { count: 20, expect: 'web' }))['ok'])
  await eastAgent.succeed()
  old.kill('SIGTERM')
  await old.exited()
  t.same(await front.burst(webByNode, { count: 20, expect: 'web' }), { ok: 20 })
  t.same((await portsAt(served)).filter(port => port > 32767), [])
})

labTest('pods that come while two agents run are served, and let go when they are removed, whoever ends', async t => {
  await using shop = await openShop({ policies, settings: { shutdown: { timeout: '200ms' } } })
  const { east, front, eastAgent } = shop
  const live = await front.connect((await furnished(shop)).echoByNode)
  t.ok(await live.echoes('before'))
  const old = await eastAgent.succeed()
  const late = await east.pod('late', { labels: { app: 'late' }, namespace: 'shop', ports: { http: 8080 } })
  await late.serve.answer(8080, 'late')
  const address = await east.hostPort(30090, late, 8080)
  await eastAgent.writeConfig()
  await eventually(async () => (await late.run('nft', ['list', 'ruleset'])).stdout.includes('liburna'))
  t.same(await front.burst(address, { count: 20, expect: 'late', withinMs: 30_000 }), { ok: 20 })
  await eastAgent.kill('SIGKILL')
  t.same(await front.burst(address, { count: 20, expect: 'late', withinMs: 30_000 }), { ok: 20 }, 'the one before has it, or takes it')
  await eastAgent.succeed()
  east.pods.splice(east.pods.indexOf(late), 1)
  await eastAgent.writeConfig()
  await eventually(async () => (await late.run('nft', ['list', 'ruleset'])).stdout === '')
  t.same((await late.run('ip', ['rule', 'show'])).stdout.split('\n').filter(line => line.includes('fwmark')), [])
  old.kill('SIGTERM')
  t.not(await live.ended(60_000), 'open', 'a connection that does not end is ended when the time of the old agent is over')
  await old.exited()
})
