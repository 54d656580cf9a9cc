/**
 * Nothing reaches an application that the agent has not judged: not when ports are used again and again (the
 * TIME_WAIT and conntrack findings), not while the agent is killed, not after it.
 *
 * The application itself is the witness, by the port that a connection comes from:
 *
 *      2048-32767   the agent of the server's pod, dialling in the client's name
 *     32768-60999   the agent of the client's pod, dialling out; and every NAT of the lab
 *     61000-61099   the clients of these tests, again and again
 */

import { eventually } from '../fixtures/eventually.ts'
import { allowIngress, openLab, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'
import type { Server } from '../fixtures/lab/index.ts'

const full = process.env['LIBURNA_LAB_FULL'] === '1'
const count = 20_000
/** Two TLS handshakes at each connection: without that setting a run does fewer. */
const betweenAgents = full ? 20_000 : 2000
const localPorts = [61000, 61099] as const
const lastInnerPort = 32767
const load = { count, concurrency: 16, localPorts, expect: 'served', withinMs: 20_000 }

/** Connections at a server whose pod is protected, which its agent has not made. */
async function unjudgedIn (server: Server): Promise<string[]> {
  return (await server.served()).map(({ peer }) => peer).filter(peer => portOf(peer) > lastInnerPort)
}

/** Connections at a server outside, which come straight from a client whose pod is protected. */
async function unjudgedOut (server: Server): Promise<string[]> {
  return (await server.served()).map(({ peer }) => peer).filter(peer => portOf(peer) >= localPorts[0])
}

function portOf (peer: string): number {
  return Number(peer.slice(peer.lastIndexOf(':') + 1))
}

labTest('the witness works: without agents every connection counts as unjudged', async t => {
  await using lab = await openLab()
  const node = await lab.node('only')
  const [client, web] = [await node.pod('client'), await node.pod('web')]
  const server = await web.serve.answer(8080, 'served')
  t.same(await client.burst(web.at(8080), { ...load, count: 300 }), { ok: 300 })
  t.equal((await unjudgedIn(server)).length, 300)
  t.equal((await unjudgedOut(server)).length, 300)
})

labTest(`${count} short connections with few ports, into a pod, from a client without an agent`, async t => {
  await using shop = await openShop({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: ['0.0.0.0/0'] }) } })
  const server = await shop.web.serve.answer(8080, 'served')
  t.same(await shop.plain.burst(shop.web.at(8080), load), { ok: count })
  t.same(await unjudgedIn(server), [])
  t.equal((await server.served()).length, count)
  t.equal(await recorded(() => shop.eastAgent.records.all({ direction: 'inbound', verdict: 'allowed' }).length, count), count, 'one record each')
})

labTest('clients whose ports are those of the agent: a few are held, none is unjudged', async t => {
  await using shop = await openShop({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: ['0.0.0.0/0'] }) } })
  const { plain, web, eastAgent } = shop
  const server = await web.serve.answer(8080, 'served')
  const { ok = 0, late = 0, ...rest } = await plain.burst(web.at(8080), { ...load, count: 4000, localPorts: [30000, 30020], withinMs: 4000 })
  t.same(rest, {})
  t.equal(ok + late, 4000)
  t.ok(late < 200, `${late} were held for too long`)
  const judged = (): number => eastAgent.records.all({ direction: 'inbound', verdict: 'allowed' }).length
  const reached = (await server.served()).length
  t.ok(await recorded(judged, reached) >= reached, 'a record for each that the application saw')
})

labTest(`${count} short connections with few ports, out of a pod, to a server without an agent`, async t => {
  await using shop = await openShop({ policies: {} })
  const server = await shop.plain.serve.answer(8080, 'served')
  t.same(await shop.web.burst(shop.plain.at(8080), load), { ok: count })
  t.same(await unjudgedOut(server), [])
  t.equal((await server.served()).length, count)
  t.equal(await recorded(() => shop.eastAgent.records.all({ direction: 'outbound', verdict: 'allowed' }).length, count), count, 'one record each')
})

labTest(`${betweenAgents} short connections with few ports, between two agents`, async t => {
  await using shop = await openShop()
  const server = await shop.web.serve.answer(8080, 'served')
  // The ports on the wire are few, too: the agent dials from the pod's own range.
  await shop.front.sysctl({ 'ipv4/ip_local_port_range': '"41000 41499"' })
  t.same(await shop.front.burst(shop.webByNode, { ...load, count: betweenAgents }), { ok: betweenAgents })
  t.same(await unjudgedIn(server), [])
  t.equal((await server.served()).length, betweenAgents)
  t.equal(await recorded(() => shop.eastAgent.records.all({ direction: 'inbound', verdict: 'allowed', peer: 'verified' }).length, betweenAgents), betweenAgents, 'one record each')
  t.equal(await recorded(() => shop.westAgent.records.all({ direction: 'outbound', verdict: 'allowed', peer: 'verified' }).length, betweenAgents), betweenAgents)
})

labTest('the agent of the server is killed under load, and serves again when it is back', async t => {
  await using shop = await openShop({ policies: { web: allowIngress('web', { of: { app: 'web' }, with: ['0.0.0.0/0'] }) } })
  const { plain, web, eastAgent } = shop
  const server = await web.serve.answer(8080, 'served')
  const burst = plain.burst(web.at(8080), { ...load, count: 4000, withinMs: 300, stopAfter: 50 })
  await eventually(async () => (await server.served()).length > 200)
  await eastAgent.kill('SIGKILL')
  const reached = (await server.served()).length
  t.ok(((await burst)['ok'] ?? 0) < 4000, 'it was in the middle of it')
  t.same(await unjudgedIn(server), [])
  t.ok((await server.served()).length - reached <= load.concurrency, 'only what was under way')

  t.notOk((await plain.burst(web.at(8080), { count: 20, localPorts, withinMs: 300 }))['ok'], 'the guard keeps new ones out')
  t.notOk((await web.burst(plain.at(22), { count: 20, localPorts, withinMs: 300 }))['ok'], 'and in')
  await eastAgent.restart()
  t.same(await plain.burst(web.at(8080), { ...load, count: 200 }), { ok: 200 })
  t.same(await unjudgedIn(server), [])
})

labTest('the agent of the client is killed under load: nothing leaves the pod past it', async t => {
  await using shop = await openShop({ policies: {} })
  const { plain, web, eastAgent } = shop
  const server = await plain.serve.answer(8080, 'served')
  const burst = web.burst(plain.at(8080), { ...load, count: 4000, withinMs: 300, stopAfter: 50 })
  await eventually(async () => (await server.served()).length > 200)
  await eastAgent.kill('SIGKILL')
  t.ok(((await burst)['ok'] ?? 0) < 4000, 'it was in the middle of it')
  t.same(await unjudgedOut(server), [])
  const reached = (await server.served()).length
  t.notOk((await web.burst(plain.at(8080), { count: 20, localPorts, withinMs: 300 }))['ok'])
  t.equal((await server.served()).length, reached)
})

labTest('an agent that is stopped cleanly lets go of its pods or guards them, as its configuration says', async t => {
  await using shop = await openShop({ policies: {} })
  const { plain, web, eastAgent } = shop
  const server = await web.serve.answer(8080, 'served')
  t.same(await plain.burst(web.at(8080), { count: 1 }), { ok: 1 })
  await eastAgent.stop()
  t.notOk((await plain.burst(web.at(8080), { count: 5, localPorts, withinMs: 300 }))['ok'], 'guarded is the default')
  t.same(await unjudgedIn(server), [])
})

/** The number once it has come to `wanted`, or what it is after the patience of the tests. */
async function recorded (now: () => number, wanted: number): Promise<number> {
  await eventually(() => now() >= wanted).catch(() => {})
  return now()
}
