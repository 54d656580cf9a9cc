import t from 'tap'
import { parseConfig } from '../../src/config.ts'

const head = 'node: a\ncluster: b\ntrustDomain: t\n'
const kubernetes = `${head}facts: kubernetes\nauthority: ./authority\n`

t.test('the settings of a node in a cluster', async t => {
  const config = parseConfig(`${kubernetes}kubernetes: {server: "https://10.0.0.1:443", serviceAccount: ./sa}\n`, '/etc/liburna/node.yaml')
  t.match(config.kubernetes, { 'server': 'https://10.0.0.1:443', 'serviceAccount': '/etc/liburna/sa', 'pods': 'nri', 'nri.socket': '/var/run/nri/nri.sock', 'nri.unarmed': 'refuse', 'ownNode': 'process', 'kubeconfig': '' })
  t.equal(config.policies, '')
  t.equal(parseConfig(`${head}policies: p\nauthority: a\n`, '/n.yaml').kubernetes, undefined)
})

t.test('the command line says what a manifest cannot write into a file', async t => {
  const config = parseConfig('cluster: b\ntrustDomain: t\nfacts: kubernetes\nkubernetes: {podAnnotations: false}\n', '/n.yaml', { node: 'n1', apiServer: 'https://10.0.0.1', issuer: 'https://10.0.0.2:8443' })
  t.match(config, { node: 'n1', kubernetes: { server: 'https://10.0.0.1', podAnnotations: false }, issuer: { url: 'https://10.0.0.2:8443', account: 'liburna/liburna-issuer' }, authority: '' })
})

for (const [what, text, message] of [
  ['neither authority nor issuer', `${head}policies: p\n`, '/n.yaml:1: authority is missing; expected a path'],
  ['both', `${head}policies: p\nauthority: a\nissuer: {url: "https://x"}\n`, /authority is "a"; expected nothing here beside an issuer/],
  ['an issuer without TLS', `${head}policies: p\nissuer: {url: "http://x"}\n`, /issuer\.url is "http:\/\/x"; expected a URL such as/],
  ['no policies in standalone mode', `${head}authority: a\n`, '/n.yaml:1: policies is missing; expected a path'],
  ['policies beside an API server', `${kubernetes}policies: p\nkubernetes: {server: "https://x"}\n`, /policies is "p"; expected nothing here with facts: kubernetes/],
  ['workloads beside an API server', `${kubernetes}workloads: [{netns: a, name: b}]\nkubernetes: {server: "https://x"}\n`, /expected nothing here with facts: kubernetes/],
  ['no API server', kubernetes, /kubernetes\.server is ""; expected a server or a kubeconfig, and not both/],
  ['two of them', `${kubernetes}kubernetes: {server: "https://x", kubeconfig: k}\n`, /a server or a kubeconfig, and not both/],
  ['what is no URL', `${kubernetes}kubernetes: {server: "ftp://x"}\n`, /kubernetes\.server is "ftp:\/\/x"; expected a URL/],
] as const) {
  t.test(`refused: ${what}`, async t => {
    t.throws(() => parseConfig(text, '/n.yaml'), { message })
  })
}
