/** Policies of every kind, made, changed and deleted with kubectl, and labels: what they change, and how soon, for new and for live connections. */

import t from 'tap'
import { caller, echoServer, listOf, openLiburna, pod, soon } from './liburna/index.ts'
import { policyOf, standardDefinitions } from './liburna/policy-kinds.ts'
import { spread } from './liburna/spread.ts'
import type { PolicyKind, Verdict } from './liburna/policy-kinds.ts'
import type { FlowRecord } from '../../src/model/flow.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const shop = 'policies-test'
const place = `${cluster.node('n1').address}:31380`
/** Each round makes, changes twice and deletes. */
const rounds = 4

const definitions = listOf(...standardDefinitions)
const everything = listOf(...Object.values(policyOf).map(make => make(shop, 'deny')))
await cluster.apply(definitions)
t.teardown(async () => {
  await cluster.kubectl(['delete', '--ignore-not-found', '-f', '-'], everything)
  await cluster.kubectl(['delete', '--ignore-not-found', '-f', '-'], definitions)
})
await cluster.kubectl(['delete', '--ignore-not-found', '-f', '-'], everything)
await liburna.shop(t, shop,
  pod('web', { namespace: shop, node: 'n1', ...echoServer(8080), container: { ports: [{ containerPort: 8080, hostPort: 31380 }] } }),
  pod('client', { namespace: shop, node: 'n2', ...caller(place, 20) }))
await cluster.waitReady(['pod/web', 'pod/client'], { namespace: shop })
const traffic = liburna.traffic('n2', shop, 'client')
await traffic.settles('allowed')

/** Times of the changes of the whole file, ms: from when kubectl had its answer until new connections, and the live one, felt it. */
const waits: Record<'new' | 'live', number[]> = { new: [], live: [] }

/** Does it, and waits for the traffic to follow. */
async function change (args: readonly string[], input: string, wanted: 'allowed' | 'denied'): Promise<void> {
  await cluster.kubectl(args, input)
  const answered = Date.now()
  const seen = await traffic.settles(wanted)
  for (const kind of ['new', 'live'] as const) waits[kind].push(Math.max(0, seen[kind].at - answered))
}

/** Live connections that a policy has ended, as the node of the server tells it. */
function ended (kind: PolicyKind): readonly FlowRecord[] {
  return liburna.records('n1').filter(({ direction, outcome, decidedBy }) => direction === 'inbound' && outcome === 'policy-changed' && decidedBy.startsWith(`${kind} `))
}

for (const kind of Object.keys(policyOf) as PolicyKind[]) { // its own keys
  t.test(`${kind}: made, changed and deleted, it decides new and live connections`, async t => {
    const yaml = (verdict: Verdict): string => listOf(policyOf[kind](shop, verdict))
    const before = ended(kind).length
    for (let round = 0; round < rounds; round++) {
      await change(['create', '-f', '-'], yaml('deny'), 'denied')
      await change(['replace', '-f', '-'], yaml('allow'), 'allowed')
      await change(['replace', '-f', '-'], yaml('deny'), 'denied')
      await change(['delete', '--wait=false', '-f', '-'], yaml('deny'), 'allowed')
    }
    // Others that had just been opened may be among them.
    await soon(() => ended(kind).length >= before + 2 * rounds)
    t.pass('each denial has ended the live connection')
  })
}

t.test('made while its kind was not there, a policy is enforced once the kind is', async t => {
  const last = standardDefinitions.at(-1)
  await cluster.kubectl(['delete', '-f', '-', '--timeout=60s'], JSON.stringify(last))
  await cluster.apply(JSON.stringify(last))
  await soon(async () => (await cluster.tryKubectl(['create', '-f', '-'], listOf(policyOf.ClusterNetworkPolicy(shop, 'deny')))).code === 0)
  await traffic.settles('denied')
  await cluster.kubectl(['delete', '-f', '-', '--timeout=60s'], JSON.stringify(last))
  await traffic.settles('allowed')
  t.pass('and with its kind it is gone')
  await cluster.apply(JSON.stringify(last))
})

t.test('how soon policies take effect', async t => {
  for (const kind of ['new', 'live'] as const) t.comment(`a change of policy takes effect on ${kind} connections within ${spread(waits[kind])}`)
  // What is promised is a second; no test depends on how fast the machine is.
  for (const kind of ['new', 'live'] as const) t.equal(waits[kind].every(ms => ms < 15_000), true)
})

t.test('a pod that is relabelled gets another certificate and other verdicts', async t => {
  await cluster.kubectl(['create', '-f', '-'], listOf(policyOf.NetworkPolicy(shop, 'allow')))
  await traffic.settles('allowed')
  const relabelled: Record<'new' | 'live', number[]> = { new: [], live: [] }
  for (let round = 0; round < 10; round++) {
    for (const [app, wanted] of [['other', 'denied'], ['client', 'allowed']] as const) {
      await cluster.kubectl(['label', 'pod', 'client', '-n', shop, `app=${app}`, '--overwrite'])
      const answered = Date.now()
      const seen = await traffic.settles(wanted)
      for (const kind of ['new', 'live'] as const) relabelled[kind].push(Math.max(0, seen[kind].at - answered))
    }
  }
  // The server's agent judges what the client's certificate says.
  t.match(liburna.records('n1').findLast(({ outcome, source }) => outcome === 'denied-by-policy' && source.namespace === shop), { source: { labels: { app: 'other' } }, decidedBy: `NetworkPolicy ${shop}/web` })
  for (const kind of ['new', 'live'] as const) t.comment(`another label takes effect on ${kind} connections within ${spread(relabelled[kind])}`)
  for (const kind of ['new', 'live'] as const) t.equal(relabelled[kind].every(ms => ms < 30_000), true)
})
