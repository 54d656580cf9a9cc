import t from 'tap'
import { diffOf, reachOf, resolveEndpoint } from '../../src/tools/index.ts'
import { deployment, inventory, namespace, networkPolicy, pod } from './manifests.ts'
import type { Inventory } from '../../src/tools/index.ts'

const shop = [
  namespace('shop', { team: 'shop' }),
  deployment('web', { ports: [{ name: 'http', containerPort: 8080 }] }),
  deployment('db', { ports: [{ name: 'sql', containerPort: 5432 }], kind: 'StatefulSet' }),
  pod('probe', { namespace: 'ops' }),
]
const dbFromWeb = networkPolicy('db', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'sql' }] }] })

function reach (manifests: readonly object[], workload: string, everyPort = false) {
  const world = inventory(manifests)
  const { reachedBy, reaches } = reachOf(resolveEndpoint(workload, world), world, { everyPort })
  return { reachedBy, reaches }
}

const tcp = (low: number, high = low) => ({ protocol: 'TCP', low, high })
const every = [tcp(1, 65535), { protocol: 'UDP', low: 1, high: 65535 }, { protocol: 'SCTP', low: 1, high: 65535 }]

t.test('who can reach a workload, and what it can reach', async t => {
  t.same(reach([...shop, dbFromWeb], 'shop/db'), {
    reachedBy: [{ peer: 'Deployment shop/web', ports: [tcp(5432)] }],
    reaches: [{ peer: 'Pod ops/probe', ports: every }, { peer: 'Deployment shop/web', ports: [tcp(8080)] }, { peer: 'every IPv4 address', ports: every }, { peer: 'every IPv6 address', ports: every }],
  }, 'a pod never reaches itself, replicas do where they may')
  t.same(reach([...shop, dbFromWeb], 'ops/probe').reaches.map(({ peer }) => peer), ['Deployment shop/web', 'every IPv4 address', 'every IPv6 address'])
})

t.test('every port, cut where rules cut', async t => {
  const range = networkPolicy('range', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 8000, endPort: 8100 }, { protocol: 'UDP' }] }] })
  t.same(reach([...shop, range], 'shop/web', true).reachedBy[0], { peer: 'StatefulSet shop/db', ports: [tcp(8000, 8100), { protocol: 'UDP', low: 1, high: 65535 }] })
  t.same(reach([...shop, range], 'shop/web').reachedBy[0], { peer: 'StatefulSet shop/db', ports: [tcp(8080)] })
})

t.test('a workload that does not exist yet, by labels and by JSON', async t => {
  const { reaches } = reach([...shop, dbFromWeb], 'shop/app=web,version=2')
  t.same(reaches.find(({ peer }) => peer === 'StatefulSet shop/db'), { peer: 'StatefulSet shop/db', ports: [tcp(5432)] })
  t.notOk(reach([...shop, dbFromWeb], 'shop/app=other').reaches.some(({ peer }) => peer === 'StatefulSet shop/db'))
  const fromTeam = networkPolicy('team', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'shop' } } }] }] })
  t.ok(reach([...shop, fromTeam], '{"namespace": "shop", "name": "new"}').reaches.some(({ peer }) => peer === 'Deployment shop/web'), 'it has the labels of its namespace')
  t.notOk(reach([...shop, fromTeam], '{"namespace": "shop", "name": "new", "namespaceLabels": {}}').reaches.some(({ peer }) => peer === 'Deployment shop/web'))
})

t.test('the outside in the parts that rules tell apart', async t => {
  const blocks = networkPolicy('out', { podSelector: {}, policyTypes: ['Egress'], egress: [
    { to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/9'] } }] },
    { to: [{ ipBlock: { cidr: '10.0.0.0/10' } }, { ipBlock: { cidr: '192.0.2.7/31' } }, { ipBlock: { cidr: '192.0.2.6/32' } }, { ipBlock: { cidr: '192.0.2.7/32' } }], ports: [{ port: 443 }] },
  ] })
  t.same(reach([...shop, blocks], 'shop/web').reaches, [
    { peer: '10.0.0.0/10', ports: [tcp(443)] },
    { peer: '10.0.0.0/8 without smaller blocks', ports: every },
    { peer: '192.0.2.6/32', ports: [tcp(443)] },
    { peer: '192.0.2.7/32', ports: [tcp(443)] },
  ], 'the block that smaller ones fill is not there, nor is what stays closed')
})

t.test('domain names are parts of the outside', async t => {
  const names = { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'names' }, spec: { egress: [{ to: [{ fqdns: ['*.example.com', 'api.example.org'] }], ports: [{ port: 443 }] }] } }
  t.same(reach([...shop, names], 'shop/web').reaches, [{ peer: '*.example.com', ports: [tcp(443)] }, { peer: 'api.example.org', ports: [tcp(443)] }])
})

t.test('what opens and closes, in groups', async t => {
  const closed = networkPolicy('web', { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ from: [{ namespaceSelector: {} }] }] })
  const { pairs, groups } = diffOf(inventory([...shop, dbFromWeb]), inventory([...shop, closed]))
  t.same(pairs, { opened: 4, closed: 2 })
  t.match(groups, [
    { change: 'opened', sources: ['Pod ops/probe', 'StatefulSet shop/db', 'every IPv4 address', 'every IPv6 address'], destinations: ['StatefulSet shop/db'], ports: [tcp(5432)], pairs: 4, example: { before: 'denied ingress by NetworkPolicy shop/db', after: 'allowed by default' } },
    { change: 'closed', sources: ['every IPv4 address', 'every IPv6 address'], destinations: ['Deployment shop/web'], ports: [tcp(8080)], pairs: 2, example: { before: 'allowed by default', after: 'denied ingress by NetworkPolicy shop/web' } },
  ])
  t.equal(groups.length, 2)
})

t.test('a workload that is new or gone talks to nobody in the other set', async t => {
  const { pairs, added, removed, groups } = diffOf(inventory([pod('a', { ports: [{ containerPort: 1 }] })]), inventory([pod('b', { ports: [{ containerPort: 1 }] })]))
  t.same({ added, removed }, { added: ['Pod shop/b'], removed: ['Pod shop/a'] })
  t.same(pairs, { opened: 4, closed: 4 }, 'with the outside, both ways')
  t.match(groups[0]?.example, { before: /^no such/ })
})

t.test('declaring a port, or moving it, opens and closes nothing by itself', async t => {
  const moved = (port: number | undefined): Inventory => inventory([deployment('a', { ports: port === undefined ? [] : [{ containerPort: port }] }), dbFromWeb])
  for (const [before, after] of [[80, 8080], [undefined, 80], [80, undefined]] as const) t.same(diffOf(moved(before), moved(after)).groups, [])
})

/** A thousand workloads and policies in fifty namespaces; each policy selects one workload. */
function large (shift: number, declared: boolean): Inventory {
  const tiers = ['fe', 'be', 'db']
  const workloads = Array.from({ length: 1000 }, (_, i) => deployment(`w${i}`, { namespace: `ns${i % 50}`, labels: { app: `a${i}`, tier: tiers[i % 3] }, ports: declared ? [{ name: 'http', containerPort: 8000 + i % 5 }] : [] }))
  const policies = workloads.map((_, i) => networkPolicy(`p${i}`, {
    podSelector: { matchLabels: { app: `a${i}` } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { tier: tiers[(i + shift) % 3] } } }], ports: [{ port: 8000 + i % 5 }] }],
    egress: [{ to: [{ namespaceSelector: {} }] }],
  }, `ns${i % 50}`))
  return inventory([...workloads, ...policies])
}

/** The same inventory, counting what its policies are asked. */
function counting (world: Inventory, asked: { count: number }): Inventory {
  return { ...world, set: new Proxy(world.set, { get: (set, key) => {
    if (key === 'decide') asked.count++
    const value: unknown = Reflect.get(set, key)
    return typeof value === 'function' ? value.bind(set) : value
  } }) }
}

for (const declared of [true, false]) {
  t.test(`a million pairs are a few thousand questions, with ports ${declared ? 'declared' : 'unknown'}`, async t => {
    const asked = { count: 0 }
    const { pairs } = diffOf(counting(large(0, declared), asked), counting(large(1, declared), asked))
    // A workload of each tier is let in by a third of the others; its own replicas count when the tier is its own.
    t.same(pairs, { opened: 333_333, closed: 333_334 })
    t.ok(asked.count < 100_000, `${asked.count} questions`)
  })
}
