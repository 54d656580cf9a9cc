import { readFileSync } from 'node:fs'
import t from 'tap'
import { settingsHelp, settingsMarkdown } from '../src/cli/settings-text.ts'
import { loadConfig, parseConfig, settingLines } from '../src/config.ts'
import { TestFolder } from './fixtures/folder.ts'

const head = 'node: alpha\ncluster: east\ntrustDomain: east.example\nauthority: ./authority\npolicies: ./policies\n'

/** The file of issue 3, which must work as written. */
const promised = `node: alpha
cluster: east
trustDomain: east.example
authority: ./authority            # folder, relative to this file
trust: [./west/root.pem]          # further roots, optional
policies: ./policies              # folder of Kubernetes YAML
admin: {listen: "127.0.0.1:9901"} # /metrics /healthz /readyz
namespaces: {shop: {labels: {team: shop}}}   # optional; kubernetes.io/metadata.name is always there
workloads:
  - {netns: pod-a, namespace: shop, name: web-0, serviceAccount: web, labels: {app: web}, ports: {http: 8080}}   # netns: a name under /run/netns, or a path
`

t.test('the promised file works as written', async t => {
  const config = parseConfig(promised, '/etc/liburna/node.yaml')
  t.match(config, {
    node: 'alpha', cluster: 'east', trustDomain: 'east.example', authority: '/etc/liburna/authority', trust: ['/etc/liburna/west/root.pem'],
    policies: '/etc/liburna/policies', mode: 'unset', discovery: { kind: 'option' }, admin: { listen: { ip: { text: '127.0.0.1' }, port: 9901 } },
    certificates: { ttlMs: 3_600_000, backdateMs: 300_000 }, handshake: { timeoutMs: 10_000, groups: 'X25519MLKEM768:X25519', resumeForMs: 600_000 }, records: { path: 'stdout' },
  })
  t.same(config.directory, {
    namespaces: { shop: { labels: { team: 'shop' }, mode: 'unset' } },
    workloads: [{
      netns: 'pod-a', namespace: 'shop', name: 'web-0', serviceAccount: 'web', uid: '', labels: { app: 'web' }, owner: undefined, images: [], mode: 'unset',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], exclude: { inboundPorts: [], outboundPorts: [], cidrs: [] },
    }],
  })
})

t.test('the result cannot be changed, however deep', async t => {
  const config = parseConfig(promised, '/n.yaml')
  t.throws(() => Object.assign(config, { node: 'x' }), TypeError)
  t.throws(() => Object.assign(config.limits, { connectionsPerPod: 1 }), TypeError)
  t.ok(Object.isFrozen(config.directory.workloads[0]?.labels))
})

t.test('everything that can be said of a workload', async t => {
  const config = parseConfig(`${head}discovery: declared
declared: {protected: [10.0.0.0/8], external: ["fd00::/8"]}
records: {path: ./flows.jsonl}
workloads:
  - netns: ./ns/one
    name: web-0
    uid: 1234-abcd
    owner: {kind: Deployment, name: web}
    images: ["sha256:${'a'.repeat(64)}"]
    mode: authenticate
    exclude: {inboundPorts: [22], outboundPorts: [53], cidrs: [169.254.0.0/16]}
`, '/etc/n.yaml')
  t.match(config.discovery, { kind: 'declared', protected: [{ text: '10.0.0.0/8' }], external: [{ prefix: 8 }] })
  t.equal(config.records.path, '/etc/flows.jsonl')
  t.match(config.directory.workloads, [{
    netns: '/etc/ns/one', namespace: 'default', serviceAccount: 'default', uid: '1234-abcd', owner: { kind: 'Deployment', name: 'web' }, mode: 'authenticate',
    exclude: { inboundPorts: [22], outboundPorts: [53], cidrs: [{ text: '169.254.0.0/16' }] },
  }])
})

const workload = (rest: string): string => `${head}workloads:\n  - netns: a\n    name: web-0\n${rest}`

for (const [what, text, message] of [
  ['nothing', '', '/n.yaml:1: expected one YAML document with settings'],
  ['two documents', `${head}---\n${head}`, '/n.yaml:1: expected one YAML document with settings'],
  ['a list', '- node', '/n.yaml:1: the file is ["node"]; expected a map of settings'],
  ['no YAML', 'node: [', /^\/n\.yaml:1:\d+: not YAML: /],
  ['a missing setting', 'node: a\ncluster: b\n', '/n.yaml:1: trustDomain is missing; expected a SPIFFE trust domain such as east.example'],
  ['a mistyped setting', `${head}trusts: []\n`, '/n.yaml:6: trusts is not a setting; did you mean trust?'],
  ['an unknown setting', `${head}zzz: 1\n`, /^\/n\.yaml:6: zzz is not a setting; one of node, cluster, /],
  ['a mistyped inner setting', `${head}handshake:\n  timout: 3s\n`, '/n.yaml:7: handshake.timout is not a setting; did you mean timeout?'],
  ['a value for a group', `${head}handshake: 3s\n`, '/n.yaml:6: handshake is "3s"; expected a map'],
  ['an empty group', `${head}log:\n`, '/n.yaml:6: log is null; expected a map'],
  ['a number as duration', `${head}handshake: {timeout: 10}\n`, '/n.yaml:6: handshake.timeout is 10; expected a duration such as 250ms, 10s or 1h, from 100 ms to 300000 ms'],
  ['a duration out of range', `${head}handshake: {timeout: 1h}\n`, /handshake\.timeout is "1h"; expected a duration .* to 300000 ms/],
  ['a flag as text', `${head}certificates: {endConnections: "yes"}\n`, /endConnections is "yes"; expected true or false/],
  ['a mode that is none', `${head}mode: off\n`, '/n.yaml:6: mode is "off"; expected encrypt or authenticate or unset'],
  ['a bad address', `${head}admin: {listen: "9901"}\n`, '/n.yaml:6: admin.listen is "9901"; expected an address such as 127.0.0.1:9901'],
  ['lists without their discovery', `${head}declared: {external: [10.0.0.0/8]}\n`, /n\.yaml:6: declared is .*; expected nothing here unless discovery is declared/],
  ['a bad CIDR in a list', `${head}discovery: declared\ndeclared:\n  external:\n    - 10.0.0.0/8\n    - 10.0.0.0/33\n`, '/n.yaml:10: declared.external[1] is "10.0.0.0/33"; expected a CIDR such as 10.0.0.0/8'],
  ['a fraction for a limit', `${head}limits: {connectionsPerPod: 1.5}\n`, /connectionsPerPod is 1\.5; expected a whole number/],
  ['a false name of a namespace', `${head}namespaces: {shop: {labels: {kubernetes.io/metadata.name: bank}}}\n`, '/n.yaml:6: namespaces.shop.labels.kubernetes.io/metadata.name is "bank"; expected "shop", or leave it out'],
  ['a bad trust domain', head.replace('east.example', 'East'), /n\.yaml:3: trustDomain is "East"; expected a SPIFFE trust domain/],
  ['a workload without netns', `${head}workloads:\n  - name: a\n`, '/n.yaml:7: workloads[0].netns is missing; expected a path'],
  ['a mistyped setting of a workload', workload('    lables: {}\n'), '/n.yaml:9: workloads[0].lables is not a setting; did you mean labels?'],
  ['a number as label', workload('    labels: {version: 1}\n'), /n\.yaml:9: workloads\[0\]\.labels\.version is 1; expected a label value .*put it in quotes/],
  ['a bad label key', workload('    labels: {"a b": x}\n'), /labels\.a b is "a b"; expected a label key/],
  ['a port that is none', workload('    ports: {http: 65536}\n'), /ports\.http is 65536; expected a whole number from 1 to 65535/],
  ['a bad name of a port', workload('    ports: {"8080": 80}\n'), /expected a port name/],
  ['a bad digest', workload('    images: [latest]\n'), /images\[0\] is "latest"; expected an image digest/],
  ['two workloads of one name', workload('  - {netns: b, name: web-0}\n'), '/n.yaml:9: workloads[1].name is "default/web-0"; expected a name that no other workload of its namespace has'],
  ['two workloads in one netns', workload('  - {netns: a, name: web-1}\n'), '/n.yaml:9: workloads[1].netns is "a"; expected a network namespace of its own'],
  ['workloads that are no list', `${head}workloads: {a: 1}\n`, '/n.yaml:6: workloads is {"a":1}; expected a list'],
  ['a very long value', `${head}mode: ${'x'.repeat(500)}\n`, /mode is "x{76}\.\.\.; expected/],
  ['a key of the prototype', `${head}constructor: 1\n`, /constructor is not a setting/],
] as const) {
  t.test(`refused with place, key, value and what is expected: ${what}`, async t => {
    t.throws(() => parseConfig(text, '/n.yaml'), { message })
  })
}

t.test('metrics of a manifest: an address in brackets, of whichever family it is', async t => {
  const listen = (metrics: string): unknown => parseConfig(head, '/n.yaml', { metrics }).metrics.listen
  t.equal(parseConfig(head, '/n.yaml').metrics.listen, 'off')
  t.match(listen('[10.0.0.7]:9903'), { ip: { text: '10.0.0.7' }, port: 9903 })
  t.match(listen('[fd00::7]:9903'), { ip: { text: 'fd00::7' }, port: 9903 })
  t.match(listen('10.0.0.7:9903'), { ip: { text: '10.0.0.7' } })
  for (const wrong of ['[]:9903', 'node:9903', '[10.0.0.7]', '9903', 'on']) t.throws(() => listen(wrong), { message: /metrics\.listen is .*; expected an address such as 10\.0\.0\.1:9903, or off/ }, wrong)
})

t.test('files that cannot be read', async t => {
  using folder = new TestFolder()
  t.throws(() => loadConfig(folder.at('none.yaml')), { name: 'ConfigError', code: 'config-unreadable', message: `${folder.at('none.yaml')}: cannot be read` })
  t.throws(() => loadConfig(folder.path), { code: 'config-unreadable', message: /is not a plain file/ })
  t.throws(() => loadConfig(folder.write('bad.yaml', 'node: [')), { code: 'config-invalid' })
})

t.test('the table tells every setting once, in the terminal and in Markdown', async t => {
  const lines = settingLines()
  t.equal(new Set(lines.map(line => line.name)).size, lines.length)
  for (const { name, meaning } of lines) {
    t.match(settingsHelp(lines), new RegExp(`^ {2}${RegExp.escape(name)} +${RegExp.escape(meaning)}$`, 'm'))
    t.match(settingsMarkdown(lines), new RegExp(`^\\| \`${RegExp.escape(name)}\` \\| .* \\| ${RegExp.escape(meaning)} \\|$`, 'm'))
    t.notMatch(meaning, /\.$/, 'no final period')
  }
})

t.test('the README has the table of this code (npm run readme writes it)', async t => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, table] = /<!-- settings -->\n+([\s\S]*?)\n+<!-- \/settings -->/.exec(readme) ?? []
  t.equal(table, settingsMarkdown(settingLines()))
})
