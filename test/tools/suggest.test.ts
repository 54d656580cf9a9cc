import fc from 'fast-check'
import t from 'tap'
import { formatYaml, parseYaml } from '../../src/cluster/index.ts'
import { judgeFlow } from '../../src/policy/index.ts'
import { commentedPolicies, Observations, simulate, suggest, takeInventory, ToolError } from '../../src/tools/index.ts'
import { endpointOf } from '../../src/tools/observed-endpoint.ts'
import { keyOf } from '../../src/tools/records.ts'
import { record, someRecords } from './flow-records.ts'
import { context, deployment, inventory, namespace, networkPolicy } from './manifests.ts'
import type { Inventory, Observation, Suggestion, SuggestOptions } from '../../src/tools/index.ts'

const home = { trustDomain: 'east.example', cluster: 'east' }
const nothing = inventory([])

function observe (records: readonly object[]): Observation[] {
  const observations = new Observations(['pod-template-hash'])
  for (const one of records) observations.add(one)
  return observations.all()
}

function suggested (records: readonly object[], known: Inventory = nothing, options: SuggestOptions = {}): Suggestion {
  return suggest(observe(records), known, { home, ...options })
}

const web = { name: 'web-1', labels: { 'app': 'web', 'pod-template-hash': 'x1' } }
const db = { name: 'db-0', labels: { 'app': 'db', 'statefulset.kubernetes.io/pod-name': 'db-0' }, serviceAccount: 'db' }

t.test('pods of one controller are one role, and get one policy each way, with what was seen', async t => {
  const { policies, evidence, alsoAllowed, notAllowed } = suggested([
    record(web, db, 5432, { flow: 'a', time: '2026-11-20T10:00:00.000Z' }),
    record({ ...web, name: 'web-2', labels: { 'app': 'web', 'pod-template-hash': 'x2' } }, { ...db, labels: { 'app': 'db', 'statefulset.kubernetes.io/pod-name': 'db-1' } }, 5432, { flow: 'b', time: '2026-11-21T10:00:00.000Z' }),
    record({ ...web, labels: { app: 'web' } }, db, 5432, { flow: 'b', direction: 'inbound', time: '2026-11-21T10:00:00.000Z' }),
  ])
  const meta = (name: string): object => ({ name, namespace: 'shop' })
  const ports = [{ protocol: 'TCP', port: 5432 }]
  t.same(policies, [
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: meta('suggested-db'), spec: { podSelector: { matchLabels: { app: 'db' } }, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports }] } },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: meta('suggested-web'), spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress', 'Egress'], egress: [{ to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports }] } },
  ])
  t.same(evidence[0], { kind: 'NetworkPolicy', namespace: 'shop', name: 'suggested-db', rule: 'ingress[0]', allows: 'from shop/app=web on TCP 5432', connections: 2, first: '2026-11-20T10:00:00.000Z', last: '2026-11-21T10:00:00.000Z', examples: ['a', 'b'] }, 'the two ends of one connection count once')
  t.same({ alsoAllowed, notAllowed }, { alsoAllowed: [], notAllowed: [] })
})

t.test('roles that did the same share a policy where labels can name them', async t => {
  const client = (version: string) => ({ labels: { app: 'client', version } })
  const { policies } = suggested([record(client('1'), db, 1), record(client('2'), db, 1)])
  t.same(policies.map(({ metadata }) => metadata.name), ['suggested-client', 'suggested-db'])
  const apart = suggested([record(client('1'), db, 1), record(client('2'), db, 2)])
  t.same(apart.policies.map(({ spec }) => spec['podSelector']), [{ matchLabels: { app: 'client', version: '1' } }, { matchLabels: { app: 'client', version: '2' } }, { matchLabels: { app: 'db' } }])
  const named = suggested([record({ labels: { app: 'a' } }, db, 1), record({ labels: { app: 'b' } }, db, 1), record({ labels: { app: 'c' } }, db, 2)])
  t.match(named.policies[0], { metadata: { name: 'suggested-a-b' }, spec: { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }] } } })
})

t.test('no selector hits a workload of the manifests that did not take part', async t => {
  const known = inventory([namespace('shop'), deployment('web', { labels: { app: 'web' } }), deployment('old', { labels: { app: 'db', legacy: 'yes' } })])
  const { policies, alsoAllowed } = suggested([record(web, { ...db, serviceAccount: 'default' }, 5432)], known)
  t.match(policies[0]?.spec, { podSelector: { matchLabels: { app: 'db' }, matchExpressions: [{ key: 'legacy', operator: 'DoesNotExist' }] } })
  t.same(alsoAllowed, [])
})

t.test('AccessPolicy says what NetworkPolicy cannot: other clusters, and service accounts', async t => {
  const west = { labels: { app: 'web' }, cluster: 'west', trustDomain: 'west.example' }
  const { policies, alsoAllowed, notAllowed } = suggested([record(west, db, 1, { direction: 'inbound' }), record({ serviceAccount: 'a' }, db, 2), record({ serviceAccount: 'b' }, db, 3)])
  t.same({ alsoAllowed, notAllowed }, { alsoAllowed: [], notAllowed: [] })
  t.same(policies.map(({ kind, metadata: { name } }) => `${kind} ${name}`), ['AccessPolicy suggested-a.shop', 'AccessPolicy suggested-b.shop', 'NetworkPolicy suggested-db', 'AccessPolicy suggested-db.shop'])
  t.match(policies[3]?.spec, { subject: { namespaces: ['shop'], podSelector: { matchLabels: { app: 'db' } } }, ingress: [
    { from: [{ clusters: ['west'], trustDomains: ['west.example'], namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 1 }] },
    { from: [{ namespaces: ['shop'], serviceAccounts: ['a'] }] }, { from: [{ namespaces: ['shop'], serviceAccounts: ['b'] }] },
  ] })
})

t.test('denied flows are left out unless they are asked for', async t => {
  const records = [record(web, db, 1), record(web, db, 2, { verdict: 'denied' }), record(web, db, 3, { verdict: 'undecided' })]
  const ports = (suggestion: Suggestion): unknown => (suggestion.policies[0]?.spec['ingress'] as { ports: { port: number }[] }[]).flatMap(rule => rule.ports.map(({ port }) => port))
  t.same(ports(suggested(records)), [1])
  t.same(ports(suggested(records, nothing, { includeDenied: true })), [1, 2, 3])
  t.match(suggested(records.slice(1)), { policies: [], notes: ['no recorded flow was allowed, so there is nothing to suggest'] })
})

t.test('DNS and open egress by wish, and told', async t => {
  const known = inventory([deployment('dns', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } })])
  t.match(suggested([record(web, db, 1)], known).notes, [/--allow-dns/])
  const { alsoAllowed, notes } = suggested([record(web, db, 1)], known, { allowDns: true })
  t.same(alsoAllowed.map(({ destination, ports }) => [destination, ports]), [0, 1].map(() => ['Deployment kube-system/dns', [{ protocol: 'TCP', low: 53, high: 53 }, { protocol: 'UDP', low: 53, high: 53 }]]))
  t.same(notes, [])
  const ingress = suggested([record(web, db, 1)], known, { directions: ['ingress'] })
  t.same(ingress.policies.map(({ spec }) => spec['policyTypes']), [['Ingress'], ['Ingress']])
  t.same(ingress.alsoAllowed, [], 'egress is nobody\'s promise then')
})

t.test('what is suggested allows each recorded pair and port and no other, by the engine itself', async t => {
  fc.assert(fc.property(someRecords, records => {
    const observations = observe(records)
    const wanted = observations.filter(({ counts }) => counts.allowed > 0)
    const suggestion = suggest(observations, nothing, { home })
    t.same({ alsoAllowed: suggestion.alsoAllowed, notAllowed: suggestion.notAllowed }, { alsoAllowed: [], notAllowed: [] })
    const judged = takeInventory(suggestion.policies, { ...context, home, homeOnly: true })
    t.same(judged.invalid, [])
    const ends = [...new Map(wanted.flatMap(({ source, destination }) => [source, destination]).map(end => [keyOf(end), end])).values()]
    const recorded = new Set(wanted.map(({ source, destination, port }) => `${keyOf(source)} > ${keyOf(destination)} ${port}`))
    const isOwn = (key: string): boolean => key.startsWith('east.example/east/')
    for (const source of ends) {
      for (const destination of ends) {
        if (!isOwn(keyOf(source)) && !isOwn(keyOf(destination))) continue
        for (const port of [80, 443, 5432, 9]) {
          const { allowed } = judgeFlow(judged.set, { source: endpointOf(source, judged), destination: endpointOf(destination, judged), protocol: 'TCP', port }, context.nowMs)
          const what = `${keyOf(source)} > ${keyOf(destination)} ${port}`
          if (allowed !== recorded.has(what)) t.fail(`${what}: ${allowed ? 'allowed' : 'denied'}\n${JSON.stringify(suggestion.policies)}`)
        }
      }
    }
  }), { numRuns: 200 })
})

t.test('the YAML reads back as the policies, whatever the records say', async t => {
  fc.assert(fc.property(someRecords, fc.string(), (records, flow) => {
    const suggestion = suggest(observe(records.map(one => ({ ...one, flow }))), nothing, { home, allowDns: true })
    t.same(parseYaml(formatYaml(commentedPolicies(suggestion)), 'out.yaml').map(({ value }) => value), suggestion.policies)
  }), { numRuns: 100 })
})

t.test('every rule has its evidence', async t => {
  fc.assert(fc.property(someRecords, records => {
    const { policies, evidence } = suggest(observe(records), nothing, { home })
    const rules = policies.flatMap(({ kind, metadata: { name }, spec }) => ['ingress', 'egress'].flatMap(direction => ((spec[direction] ?? []) as unknown[]).map((_, i) => `${kind} ${name} ${direction}[${i}]`)))
    t.same(evidence.map(({ kind, name, rule }) => `${kind} ${name} ${rule}`).sort(), rules.sort())
    for (const { connections, examples } of evidence) t.ok(connections > 0 && examples.length > 0)
  }), { numRuns: 100 })
})

t.test('simulate: what would change, and what no flow used', async t => {
  const from = (app: string): object => networkPolicy('db', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }, { from: [{ podSelector: { matchLabels: { app: 'other' } } }] }] })
  const records = [record(web, db, 5432, { flow: 'a' }), record(web, db, 5432, { flow: 'b', time: '2026-11-22T10:00:00.000Z' }), record({ labels: { app: 'cron' } }, db, 5432, { verdict: 'denied' }), record({ external: '203.0.113.9' }, db, 5432, { direction: 'inbound' })]
  t.same(simulate(observe(records), inventory([from('web')]), inventory([from('cron')])), {
    connections: 4,
    otherThanRecorded: 1,
    changes: [
      { change: 'closed', source: 'shop/app=web', destination: 'shop/app=db', port: 5432, connections: 2, last: '2026-11-22T10:00:00.000Z', examples: ['a', 'b'], before: 'egress allow by default, ingress allow by NetworkPolicy shop/db ingress[0]', after: 'ingress deny by NetworkPolicy shop/db' },
      { change: 'opened', source: 'shop/app=cron', destination: 'shop/app=db', port: 5432, connections: 1, last: '2026-11-20T10:00:00.000Z', examples: ['f1'], before: 'ingress deny by NetworkPolicy shop/db', after: 'egress allow by default, ingress allow by NetworkPolicy shop/db ingress[0]' },
    ],
    unused: { today: ['NetworkPolicy shop/db ingress[1]'], proposed: ['NetworkPolicy shop/db ingress[1]'] },
  })
})

t.test('simulate takes named ports and labels of namespaces from the manifests', async t => {
  const byName = networkPolicy('db', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }], ports: [{ port: 'sql' }] }] })
  const known = [namespace('shop', { team: 'a' }), deployment('db', { ports: [{ name: 'sql', containerPort: 5432 }], spec: { serviceAccountName: 'db' } }), byName]
  const { changes, otherThanRecorded } = simulate(observe([record(web, db, 5432), record(web, db, 5433, { verdict: 'denied' })]), inventory(known), inventory([byName]))
  t.match(changes, [{ change: 'closed', port: 5432 }])
  t.equal(otherThanRecorded, 0)
})

t.test('a pod\'s connections to itself are passed over', async t => {
  const observations = new Observations([])
  observations.add(record(web, web, 1, { peer: 'loopback' }))
  t.same([observations.records, observations.skipped, observations.all()], [1, 1, []])
})

t.test('no record, however malformed, throws anything but the documented error', async t => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('10.0.0.1:80', '[::1]:1', 'spiffe://a/ns/b/sa/c', 'allowed', 'outbound', '__proto__'))
  const damaged = fc.tuple(fc.constantFrom('source', 'destination', 'verdict', 'direction', 'time', 'flow', 'peer', 'realDestination', 'originalDestination'), fc.constantFrom('', 'spiffeId', 'labels', 'address', 'cluster', 'name'), value).map(([key, inner, junk]) => {
    const one = structuredClone(record({ labels: { app: 'web' } }, { labels: { app: 'db' } }, 80)) as Record<string, unknown>
    const at = one[key]
    one[key] = inner !== '' && typeof at === 'object' ? { ...at, [inner]: junk } : junk
    return one
  })
  fc.assert(fc.property(fc.array(fc.oneof(damaged, fc.jsonValue()), { minLength: 1, maxLength: 4 }), records => {
    const observations = new Observations([])
    for (const one of records) {
      try { observations.add(one) } catch (error) { t.ok(error instanceof ToolError && error.code === 'input-invalid') }
    }
    suggest(observations.all(), nothing)
    simulate(observations.all(), nothing, nothing)
  }), { numRuns: 500 })
})
