import t from 'tap'
import { factsOf, inventoryOfFacts } from '../../src/tools/index.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { context } from '../tools/manifests.ts'
import { pod } from '../policy/world.ts'
import { dbFrom, webAndDb } from './shop.ts'
import { toolWorld } from './tool-world.ts'

const shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---${webAndDb}---
apiVersion: batch/v1
kind: CronJob
metadata: {name: db, namespace: shop}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: db-job}}, spec: {containers: []}}}}}
---${dbFrom('web')}---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-job}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{name: jobs stay out, action: Deny, from: [{pods: {podSelector: {matchLabels: {app: db-job}}}}]}]}
`

function world (t: { teardown: (end: () => void) => unknown }, text = shop, options: Parameters<typeof toolWorld>[0] = {}) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  folder.write('m/all.yaml', text)
  return { folder, manifests: folder.at('m'), ...toolWorld(options) }
}

t.test('explain walks through tiers and rules at both ends', async t => {
  const { manifests, said, run } = world(t)
  t.equal(await run('explain', '-m', manifests, 'shop/web', 'StatefulSet:shop/db', 'sql'), 0)
  t.equal(said.out, `Deployment shop/web to StatefulSet shop/db, TCP 5432: ALLOWED

egress of Deployment shop/web: allow
  -  NetworkPolicy shop/db does not select it: label app=db does not hold: it is "web"
  => default allow: no policy that selects the pod decides this direction

ingress of StatefulSet shop/db: allow
  isolated by NetworkPolicy shop/db
     admin     ClusterNetworkPolicy no-job ingress[0] (jobs stay out): deny does not match: label app=db-job does not hold: it is "web"
  -> network   NetworkPolicy shop/db ingress[0]: allow matches
  => allowed by NetworkPolicy shop/db ingress[0]
`)
})

t.test('explain as JSON has the lines of evaluate and the walks', async t => {
  const { manifests, said, run } = world(t)
  t.equal(await run('explain', '-m', manifests, 'CronJob:shop/db', 'StatefulSet:shop/db', '5432/tcp', '-o', 'json'), 0)
  t.match(JSON.parse(said.out), {
    source: 'CronJob shop/db', destination: 'StatefulSet shop/db', protocol: 'TCP', port: 5432, allowed: false, observed: null,
    egress: { verdict: 'allow', decidedBy: 'default' }, ingress: { verdict: 'deny', decidedBy: 'ClusterNetworkPolicy no-job ingress[0]' },
    walks: [{ direction: 'egress', steps: [] }, { direction: 'ingress', steps: [{ tier: 'admin', rule: 'ClusterNetworkPolicy no-job ingress[0]', action: 'deny', matched: true, why: '' }], isolatedBy: ['NetworkPolicy shop/db'] }],
  })
})

for (const [what, source, destination, port, verdict] of [
  ['labels', 'shop/app=web', 'StatefulSet:shop/db', '5432', true],
  ['labels with a prefix', 'shop/app.kubernetes.io/name=web', 'StatefulSet:shop/db', '5432', false],
  ['labels with a prefix and no namespace', 'app.kubernetes.io/name=web', 'shop/web', '1', true],
  ['an address', '203.0.113.9', 'StatefulSet:shop/db', '5432', false],
  ['an IPv6 address', 'shop/web', '2001:db8::1', '53/UDP', true],
  ['JSON', '{"namespace": "shop", "labels": {"app": "web"}}', '{"namespace": "shop", "labels": {"app": "db"}, "ports": [{"name": "sql", "port": 1}]}', 'sql', true],
  ['a name outside', 'shop/web', '{"fqdn": "API.example.com."}', '443', true],
] as const) {
  t.test(`an endpoint can be given as ${what}`, async t => {
    const { manifests, said, run } = world(t)
    t.equal(await run('explain', '-m', manifests, source, destination, port, '-o', 'json'), 0, said.err)
    t.equal((JSON.parse(said.out) as { allowed: boolean }).allowed, verdict)
  })
}

for (const [what, argv, message] of [
  ['two workloads of one name', ['shop/web', 'shop/db', '1'], 'shop/db is CronJob shop/db and StatefulSet shop/db: write CronJob:shop/db'],
  ['no such workload', ['shop/webb', 'shop/web', '1'], 'shop/webb: no such workload is known; did you mean shop/web?'],
  ['nothing like it', ['x', 'shop/web', '1'], 'x: no such workload is known; an endpoint is namespace/name, namespace/label=value, an IP address or JSON'],
  ['a wrong label', ['shop/=x', 'shop/web', '1'], 'endpoint shop/=x: labels are written namespace/key=value,key=value'],
  ['wrong JSON', ['{', 'shop/web', '1'], 'endpoint {: not JSON'],
  ['a JSON endpoint that is none', ['{"nam": 1}', 'shop/web', '1'], 'endpoint {"nam": 1}: nam: unknown field, not 1'],
  ['a wrong port', ['shop/web', 'StatefulSet:shop/db', '70000'], 'port 70000: 1 to 65535 is expected'],
  ['a port name that it does not have', ['shop/web', 'StatefulSet:shop/db', 'http'], 'port http: a number, a number and /UDP or /SCTP, or the name of a port of StatefulSet shop/db is expected'],
] as const) {
  t.test(`explain refuses with 2: ${what}`, async t => {
    const { manifests, said, run } = world(t)
    t.equal(await run('explain', '-m', manifests, ...argv), 2)
    t.equal(said.err.slice(0, message.length + 9), `liburna: ${message}`)
    t.equal(said.out, '')
  })
}

t.test('explain wants manifests or an agent, not both', async t => {
  const { manifests, said, run } = world(t)
  t.equal(await run('explain', 'a', 'b', '1'), 2)
  t.equal(await run('explain', '-m', manifests, '--agent', 'http://127.0.0.1:1', 'a', 'b', '1'), 2)
  t.match(said.err, /one of --manifests and --agent is needed/)
})

const np = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'db', namespace: 'shop' }, spec: { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }] } }
const facts = factsOf({
  home: { trustDomain: 'east.example', cluster: 'east' }, unsignedLabels: ['hash'],
  identities: [pod({ name: 'web-0', labels: { app: 'web' }, namespaceLabels: { team: 'a' }, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }), pod({ name: 'db-0', labels: { app: 'db' } })],
  manifests: [{ origin: 'db.yaml:1', object: np }],
})

t.test('explain asks a running agent for its policies and workloads', async t => {
  const asked: string[] = []
  const { said, run } = toolWorld({ agent: url => { asked.push(url); return JSON.parse(JSON.stringify(facts)) } })
  t.equal(await run('explain', '--agent', 'http://127.0.0.1:9901', 'shop/web-0', 'shop/db-0', '1', '-o', 'json'), 0, said.err)
  t.match(JSON.parse(said.out), { source: 'Pod shop/web-0', allowed: true })
  t.equal(await run('explain', '-a', 'http://127.0.0.1:9901/', 'shop/app=cron', 'shop/db-0', '1', '-o', 'json'), 0)
  t.match(JSON.parse(said.out), { allowed: false, ingress: { decidedBy: 'NetworkPolicy shop/db' } })
  t.same(asked, ['http://127.0.0.1:9901/facts', 'http://127.0.0.1:9901/facts'])
})

t.test('an agent that is not there ends with 1, one that says something else with 2', async t => {
  const gone = toolWorld()
  t.equal(await gone.run('explain', '-a', 'http://127.0.0.1:1', 'a', 'b', '1'), 1)
  t.equal(await gone.run('explain', '-a', 'file:///etc/passwd', 'a', 'b', '1'), 1)
  t.match(gone.said.err, /a URL such as http:\/\/127\.0\.0\.1:9901 is expected/)
  for (const answer of [[], { ...facts, workloads: [{ external: '10.0.0.1' }] }, { ...facts, workloads: [5] }, { ...facts, manifests: 5 }]) {
    const { said, run } = toolWorld({ agent: () => answer })
    t.equal(await run('explain', '-a', 'http://127.0.0.1:9901', 'shop/web-0', 'shop/db-0', '1'), 2)
    t.match(said.err, /^liburna: the agent/)
  }
})

t.test('facts read back as they were told', async t => {
  const { workloads, policies, context: { home, unsignedLabels, homeOnly }, namespaces } = inventoryOfFacts(JSON.parse(JSON.stringify(facts)), context)
  t.same({ home, unsignedLabels, homeOnly }, { home: { trustDomain: 'east.example', cluster: 'east' }, unsignedLabels: ['hash'], homeOnly: true })
  t.match(workloads.map(({ endpoint }) => endpoint.identity), [{ spiffeId: { trustDomain: 'east.example' }, attributes: { labels: { app: 'web' }, namespaceLabels: { team: 'a' }, ports: [{ name: 'http' }] } }, { attributes: { name: 'db-0' } }])
  t.match(namespaces, { shop: { 'kubernetes.io/metadata.name': 'shop' } })
  t.equal(policies.length, 1)
})

t.test('validate: nothing to say', async t => {
  const { manifests, said, run } = world(t)
  t.equal(await run('validate', manifests), 0)
  t.equal(said.out, '2 policies, 3 workloads: 0 errors, 0 warnings\n')
  t.equal(await run('validate', manifests, '--strict'), 0)
})

const mistakes = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: nobody}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: peers, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: nobody}}}]}, {from: [{podSelector: {matchLabels: {pod-template-hash: x}}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ports, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 1}, {port: http}, {port: sql}, {port: 5000, endPort: 6000}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lost, namespace: shpo}
spec: {podSelector: {}}
---
apiVersion: liburna.io/v1alpha1
kind: AccessPolicy
metadata: {name: over}
spec: {active: {until: "2026-11-23T12:00:00Z"}, ingress: [{action: allow, from: [{podSelector: {}}]}]}
`

t.test('validate tells what is probably not meant, with file and line', async t => {
  const { manifests, folder, said, run } = world(t, `${shop}---${mistakes}`)
  t.equal(await run('validate', manifests), 0)
  const file = folder.at('m/all.yaml')
  t.same(said.out.split('\n').map(line => line.replace(`${file}:`, '')), [
    '31: warning: NetworkPolicy shop/nobody spec: selects none of the workloads described',
    '36: warning: NetworkPolicy shop/peers ingress[1]: selects peers by the label pod-template-hash, which is not signed: it can never match',
    '36: warning: NetworkPolicy shop/peers ingress[0]: its peer (app=nobody in shop) matches none of the workloads described',
    '36: warning: NetworkPolicy shop/peers ingress[1]: its peer (pod-template-hash (not signed, so unknown) in shop) matches none of the workloads described',
    '41: warning: NetworkPolicy shop/ports ingress[0]: none of the workloads that it is about has the port TCP 1',
    '41: warning: NetworkPolicy shop/ports ingress[0]: none of the workloads that it is about has the port TCP http',
    '46: warning: NetworkPolicy shpo/lost metadata.namespace: no manifest describes the namespace shpo',
    '46: warning: NetworkPolicy shpo/lost spec: selects none of the workloads described',
    '51: warning: AccessPolicy over ingress[0]: its time ended at 2026-11-23T12:00:00.000Z: it can never match again',
    '7 policies, 3 workloads: 0 errors, 9 warnings', '',
  ])
  t.equal(await run('validate', manifests, '--strict'), 1)
  t.equal(await run('validate', manifests, '--output', 'json'), 0)
  t.match(JSON.parse(said.out), { policies: 7, workloads: 3, lines: [{ level: 'warning', origin: `${file}:31`, kind: 'NetworkPolicy', namespace: 'shop', name: 'nobody', path: 'spec' }] })
})

t.test('validate ends with 2 for whatever Kubernetes refuses, and for files that cannot be read', async t => {
  const { manifests, folder, said, run } = world(t, `${shop}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad}\nspec: {podSelector: {}, egress: [{to: [{}]}], policyTypes: [Exgress]}\n`)
  folder.write('m/broken.yml', 'a: [')
  folder.write('m/values.json', '{"replicas": 3}')
  folder.write('m/.hidden.yaml', 'a: [')
  folder.write('m/notes.txt', 'a: [')
  t.equal(await run('validate', manifests), 2)
  t.match(said.out, /all\.yaml:31: error: NetworkPolicy default\/bad spec\.egress\[0\]\.to\[0\]: one of podSelector, namespaceSelector, ipBlock is needed/)
  t.match(said.out, /all\.yaml:31: error: NetworkPolicy default\/bad spec\.policyTypes\[0\]: one of Ingress, Egress is expected, not "Exgress"/)
  t.match(said.out, /error: .*broken\.yml:1:\d+: not YAML/)
  t.match(said.out, /error: .*values\.json:1: expected a Kubernetes object: apiVersion is missing or not text/)
  t.match(said.out, /3 policies, 3 workloads: 4 errors, 0 warnings\n$/)
  t.equal(await run('validate', folder.at('none')), 2)
})

t.test('two different objects of one name are told at their place', async t => {
  const { manifests, said, run } = world(t, `${shop}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\nspec: {podSelector: {}}\n`)
  t.equal(await run('validate', manifests), 2)
  t.match(said.out, /all\.yaml:21 and .*all\.yaml:31: error: NetworkPolicy shop\/db#1 metadata\.name: another object of this kind has the same name/)
})

t.test('every command has help with an example and its exit codes', async t => {
  const { said, run } = toolWorld()
  for (const command of ['explain', 'evaluate', 'reach', 'diff', 'validate', 'simulate', 'suggest']) {
    t.equal(await run(command, '--help'), 0)
    t.match(said.out, /Examples?:\n\n {2}\$ /, command)
    t.match(said.out, /Exit codes: 0 /, command)
  }
})
