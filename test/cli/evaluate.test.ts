import t from 'tap'
import { allCases, notDocuments } from '../tools/conformance-documents.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { toolWorld } from './tool-world.ts'

const found = allCases()
const missing = found === undefined ? 'the folder ../shared/conformance is not there' : false
if (missing !== false) t.comment(missing)

interface Line { readonly allowed?: boolean, readonly egress?: { readonly verdict: string }, readonly ingress?: { readonly verdict: string }, readonly invalid?: readonly object[] }

function linesOf (text: string): Line[] {
  return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Line) // what evaluate promises; the tests look
}

t.test('every case that others wrote, as one stream of documents in one process', { skip: missing }, async t => {
  const { cases = [], left } = found ?? {}
  t.same(left, { 'selector null': 1, 'selector with > or <': 4 }, Object.values(notDocuments).join('; '))
  const { said, run } = toolWorld({ input: cases.map(({ document }) => JSON.stringify(document)).join('\n'), pieces: 4099 })
  t.equal(await run('evaluate', '--input', '-', '--keep-going'), 0)
  t.equal(said.err, '')
  const lines = linesOf(said.out)
  let [verdicts, refused] = [0, 0]
  for (const { name, flows, invalid } of cases) {
    if (invalid) { t.ok((lines.shift()?.invalid?.length ?? 0) > 0, `${name} is refused`); refused++ }
    for (const [i, { allowed, egress, ingress }] of flows.entries()) {
      const line = lines.shift()
      const wrong = [[allowed, line?.allowed], [egress, line?.egress?.verdict === 'allow'], [ingress, line?.ingress?.verdict === 'allow']].filter(([stated, seen]) => stated !== undefined && stated !== seen)
      verdicts++
      if (wrong.length > 0) t.fail(`${name}, flow ${i}: ${JSON.stringify({ expected: flows[i], line })}`)
    }
  }
  t.equal(lines.length, 0, 'no line is left')
  t.ok(verdicts > 5000 && refused > 50, `${verdicts} verdicts, ${refused} refusals`)
})

t.test('a case alone gives the same as in the stream, also laid out over many lines', { skip: missing }, async t => {
  const { cases = [] } = found ?? {}
  for (const { document, flows, invalid, name } of cases.filter((_, i) => i % 20 === 0)) {
    const [compact, pretty] = [toolWorld({ input: JSON.stringify(document) }), toolWorld({ input: `\uFEFF${JSON.stringify(document, null, 2)}\n\n`, pieces: 7 })]
    t.equal(await compact.run('evaluate', '-i', '-'), invalid ? 2 : 0, name)
    t.equal(await pretty.run('evaluate', '-i', '-'), invalid ? 2 : 0)
    t.equal(compact.said.out, pretty.said.out)
    t.equal(linesOf(compact.said.out).length, invalid ? 1 : flows.length)
  }
})

const policy = (name: string, spec: object): object => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'shop' }, spec })
const web = { namespace: 'shop', name: 'web', labels: { app: 'web' } }
const db = { namespace: 'shop', name: 'db', labels: { app: 'db' }, ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] }
const dbFromWeb = policy('db', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'sql' }] }] })

t.test('the lines have exactly the documented form', async t => {
  const observed = { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'try' }, spec: { subject: { podSelector: { matchLabels: { app: 'db' } } }, ingress: [{ action: 'observe', from: [{ podSelector: {} }] }] } }
  const { said, run } = toolWorld({ input: JSON.stringify({ manifests: [dbFromWeb, observed], flows: [
    { source: web, destination: db, protocol: 'TCP', port: 5432 },
    { source: { external: '203.0.113.7', fqdn: 'a.example' }, destination: db, protocol: 'TCP', port: 5432 },
    { source: db, destination: { external: '2001:db8::1' }, port: 443 },
    { source: db, destination: { fqdn: 'a.example' }, protocol: 'UDP', port: 53 },
  ] }) })
  t.equal(await run('evaluate', '-i', '-'), 0)
  t.same(linesOf(said.out), [
    {
      allowed: true,
      egress: { verdict: 'allow', decidedBy: 'default', reason: 'default allow: no policy selects the pod' },
      ingress: { verdict: 'allow', decidedBy: 'NetworkPolicy shop/db ingress[0]', reason: 'allowed by NetworkPolicy shop/db ingress[0]' },
      observed: { allowed: false, egress: { verdict: 'allow', decidedBy: 'default' }, ingress: { verdict: 'deny', decidedBy: 'AccessPolicy try ingress[0]' } },
    },
    {
      allowed: false,
      egress: { verdict: 'allow', decidedBy: 'default', reason: 'default allow: the endpoint is external, no policy has it as its subject' },
      ingress: { verdict: 'deny', decidedBy: 'NetworkPolicy shop/db', reason: 'isolated by NetworkPolicy shop/db: no rule matched (nearest: NetworkPolicy shop/db ingress[0]: the peer is not verified (no-agent), so no label matches it)' },
      observed: { allowed: false, egress: { verdict: 'allow', decidedBy: 'default' }, ingress: { verdict: 'deny', decidedBy: 'NetworkPolicy shop/db' } },
    },
    ...[0, 0].map(() => ({
      allowed: true,
      egress: { verdict: 'allow', decidedBy: 'default', reason: 'default allow: no policy that selects the pod decides this direction' },
      ingress: { verdict: 'allow', decidedBy: 'default', reason: 'default allow: the endpoint is external, no policy has it as its subject' },
      observed: null,
    })),
  ])
})

t.test('invalid manifests come first; without --keep-going they end it with 2', async t => {
  const bad = policy('bad', { podSelector: {}, ingress: [{ ports: [{ port: 70000 }] }] })
  const documents = [{ manifests: [dbFromWeb], flows: [{ source: web, destination: db, port: 5432 }] }, { manifests: [bad, 7], flows: [{ source: web, destination: db, port: 1 }] }, { manifests: [], flows: [{ source: web, destination: db, port: 2 }] }]
  const input = documents.map(document => JSON.stringify(document)).join('\n')
  const invalid = [{ kind: '', namespace: '', name: '', path: 'manifests[1]', reason: 'a Kubernetes object is expected' }, { kind: 'NetworkPolicy', namespace: 'shop', name: 'bad', path: 'spec.ingress[0].ports[0].port', reason: '1 to 65535 is expected, not 70000' }]
  const stopping = toolWorld({ input })
  t.equal(await stopping.run('evaluate', '-i', '-'), 2)
  t.match(linesOf(stopping.said.out), [{ allowed: true }, { invalid }])
  t.equal(linesOf(stopping.said.out).length, 2)
  const going = toolWorld({ input })
  t.equal(await going.run('evaluate', '-i', '-', '--keep-going'), 0)
  t.match(linesOf(going.said.out), [{ allowed: true }, { invalid }, { allowed: false, ingress: { reason: /invalid/ } }, { allowed: true }])
})

for (const [what, input, message] of [
  ['no document', '  \n', 'liburna: -: there is no document'],
  ['not JSON', '{"manifests": none}', 'liburna: line 1: not JSON: '],
  ['no object', '[]', 'liburna: document on line 1: a document is an object: {"manifests": [...], "flows": [...]}'],
  ['text', '\n hello', 'liburna: line 2: a JSON document is expected, not "hello"'],
  ['no end', '{"manifests": []}\n{"flows": ["}]}', 'liburna: line 2: the document that begins here has no end'],
  ['an unknown key', '{"manifests": [], "flow": []}', 'liburna: document on line 1: flow: unknown key; a document has manifests and flows'],
  ['an unknown key of a flow', '{"flows": [{"source": {}, "destination": {}, "port": 1, "prot": 1}]}', 'liburna: document on line 1: flows[0].prot: unknown field, not 1'],
  ['an unknown key of an endpoint', '{"flows": [{"source": {"external": "10.0.0.1", "labels": {}}, "destination": {}, "port": 1}]}', 'liburna: document on line 1: flows[0].source.labels: unknown field, not {}'],
  ['no port', '{"flows": [{"source": {}, "destination": {}}]}', 'liburna: document on line 1: flows[0].port: required'],
  ['a list that is none', '{"manifests": {}}', 'liburna: document on line 1: manifests: a list is expected'],
] as const) {
  t.test(`wrong input ends with 2 and says where, also with --keep-going: ${what}`, async t => {
    for (const more of [[], ['--keep-going']]) {
      const { said, run } = toolWorld({ input })
      t.equal(await run('evaluate', '-i', '-', ...more), 2)
      t.equal(said.err.slice(0, message.length), message)
      t.equal(said.out, '')
    }
  })
}

t.test('from a file; a file that is not there', async t => {
  using folder = new TestFolder()
  const { said, run } = toolWorld()
  t.equal(await run('evaluate', '--input', folder.write('in.json', '{"manifests": [], "flows": [{"source": {}, "destination": {}, "port": 1}]}')), 0)
  t.match(linesOf(said.out), [{ allowed: true }])
  t.equal(await run('evaluate', '--input', folder.at('none.json')), 2)
  t.match(said.err, /none\.json: cannot be read: ENOENT/)
  t.equal(await run('evaluate'), 2)
  t.match(said.err, /required option '-i, --input <file>' not specified/)
})

t.test('namespaces that are among the manifests give their labels to endpoints that say none', async t => {
  const fromTeam = policy('np', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }] })
  const manifests = [fromTeam, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ops', labels: { team: 'a' } } }]
  const { said, run } = toolWorld({ input: JSON.stringify({ manifests, flows: [{}, { namespaceLabels: {} }].map(more => ({ source: { namespace: 'ops', ...more }, destination: web, port: 80 })) }) })
  t.equal(await run('evaluate', '-i', '-'), 0)
  t.match(linesOf(said.out), [{ allowed: true }, { allowed: false }])
})

t.test('clusters, sameness, unsigned labels and the time by option', async t => {
  const flows = [{ source: { ...web, cluster: 'west' }, destination: { ...db, cluster: 'east' }, port: 5432 }]
  const input = JSON.stringify({ manifests: [dbFromWeb], flows })
  const judged = async (...options: string[]): Promise<boolean | undefined> => {
    const { said, run } = toolWorld({ input })
    t.equal(await run('evaluate', '-i', '-', ...options), 0)
    return linesOf(said.out)[0]?.allowed
  }
  t.equal(await judged(), false)
  t.equal(await judged('--trust-domain', 'a.example', '--sameness', 'a.example/west'), true)
  t.equal(await judged('--trust-domain', 'a.example', '--sameness', 'a.example/west', '--unsigned-label', 'app'), false)
  t.equal(await judged('--cluster', 'north'), true, 'policies of one cluster are about its own pods')
  const wrong = toolWorld({ input })
  for (const options of [['--sameness', 'west'], ['--trust-domain', 'A'], ['--at', 'noon'], ['--at', '2026-11-23T12:00:00'], ['--output', 'xml']]) t.equal(await wrong.run('evaluate', '-i', '-', ...options), 2)
  const timed = { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'a' }, spec: { active: { until: '2026-11-23T13:00:00Z' }, ingress: [{ action: 'allow' }] } }
  const { said, run } = toolWorld({ input: JSON.stringify({ manifests: [timed], flows: [{ source: web, destination: db, port: 1 }] }) })
  for (const [at, allowed] of [['2026-11-23T12:59:59Z', true], ['2026-11-23T14:00:00+01:00', false]] as const) {
    t.equal(await run('evaluate', '-i', '-', '--at', at), 0)
    t.equal(linesOf(said.out)[0]?.allowed, allowed)
  }
})

t.test('as a table', async t => {
  const { said, run } = toolWorld({ input: JSON.stringify({ manifests: [dbFromWeb], flows: [{ source: web, destination: db, port: 5432 }, { source: db, destination: web, port: 1 }] }) })
  t.equal(await run('evaluate', '-i', '-', '-o', 'table'), 0)
  t.equal(said.out, 'FLOW  VERDICT  EGRESS          INGRESS\n0     allowed  allow: default  allow: NetworkPolicy shop/db ingress[0]\n1     allowed  allow: default  allow: default\n')
})
