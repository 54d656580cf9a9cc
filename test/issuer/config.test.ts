import t from 'tap'
import { loadIssuerConfig, parseIssuerConfig } from '../../src/issuer-config.ts'
import { TestFolder } from '../fixtures/folder.ts'

const good = 'cluster: east\ntrustDomain: east.example\n'

t.test('two settings are enough', async t => {
  t.match(parseIssuerConfig(good, '/etc/liburna/issuer.yaml'), {
    cluster: 'east', namespace: 'liburna', serviceAccount: 'liburna-issuer', agents: ['liburna/liburna-agent'], audience: 'liburna-issuer',
    listen: { port: 8443 }, bundle: { configMap: 'liburna-bundle', refreshHintMs: 300_000 }, authority: { kind: 'generated', leadMs: 1_800_000 }, federation: [],
  })
})

t.test('a trust domain to believe, with paths beside the file', async t => {
  const { federation } = parseIssuerConfig(`${good}federation: [{trustDomain: west.example, file: west.pem}, {trustDomain: web.example, url: "https://web.example/bundle", profile: https_web}]\n`, '/etc/liburna/issuer.yaml')
  t.match(federation, [{ trustDomain: 'west.example', url: undefined, file: '/etc/liburna/west.pem' }, { url: 'https://web.example/bundle', profile: 'https_web', file: '', caFile: '' }])
})

for (const [what, text, problem] of [
  ['a wrong name', 'agents: [liburna-agent]', /agents\[0\] is "liburna-agent"; expected a service account/],
  ['no address', 'listen: "8443"', /listen is "8443"/],
  ['a lead that is too short', 'authority: {lead: 10m}', /authority\.lead is "600s"; expected at least three times bundle\.refreshHint, 900s/],
  ['a root that does not live long enough', 'authority: {rootLife: 800h}', /rootLife/],
  ['a signer that does not live long enough', 'authority: {signerLife: 24h}', /signerLife/],
  ['our own trust domain as another', 'federation: [{trustDomain: east.example, file: x}]', /another trust domain than our own/],
  ['a trust domain twice', 'federation: [{trustDomain: a.example, file: x}, {trustDomain: a.example, file: x}]', /not listed before/],
  ['neither file nor endpoint', 'federation: [{trustDomain: a.example}]', /a url or a file/],
  ['an endpoint of another trust domain', 'federation: [{trustDomain: a.example, url: "https://a.example/", endpointId: spiffe://b.example/x, file: x}]', /endpointId/],
  ['nothing to begin with', 'federation: [{trustDomain: a.example, url: "https://a.example/", endpointId: spiffe://a.example/x}]', /a bundle to begin with/],
  ['an endpoint without TLS', 'federation: [{trustDomain: a.example, url: "http://a.example/", file: x}]', /a URL with https/],
  ['a user in the URL', 'federation: [{trustDomain: a.example, url: "https://u:p@a.example/", file: x}]', /a URL with https/],
] as const) {
  t.test(`refused with its place: ${what}`, async t => {
    t.throws(() => parseIssuerConfig(`${good}${text}\n`, 'issuer.yaml'), { code: 'config-invalid', message: problem })
    t.throws(() => parseIssuerConfig(`${good}${text}\n`, 'issuer.yaml'), /^.*issuer\.yaml:3: /)
  })
}

t.test('a file that is not there, or is none', async t => {
  using folder = new TestFolder()
  t.throws(() => loadIssuerConfig(folder.at('none.yaml')), { code: 'config-unreadable' })
  t.throws(() => loadIssuerConfig(folder.write('empty.yaml', '')), { code: 'config-invalid' })
  t.throws(() => loadIssuerConfig(folder.write('bad.yaml', 'a: [')), { code: 'config-invalid' })
})
