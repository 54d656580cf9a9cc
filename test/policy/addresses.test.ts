import t from 'tap'
import { ipFrom } from '../../src/model/address.ts'
import { domainMatches } from '../../src/policy/match-address.ts'
import { judgeFlow, parseFlow } from '../../src/policy/index.ts'
import { accessPolicy, clusterPolicy, decide, networkPolicy, noon, question, setOf, unverified, verified } from './world.ts'

const home = { trustDomain: 'east.example', cluster: 'east' }

function block (cidr: string, except: string[] = []): object {
  return networkPolicy({ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr, except } }] }] })
}

t.test('an unverified peer is matched by its address alone', async t => {
  t.equal(decide([block('203.0.113.0/24')], question(unverified('203.0.113.7'))).action, 'allow')
  t.equal(decide([block('203.0.113.0/24', ['203.0.113.7/32'])], question(unverified('203.0.113.7'))).action, 'deny')
  t.equal(decide([block('203.0.113.0/24')], question(unverified('203.0.114.7'))).action, 'deny')
})

t.test('host bits of a CIDR are masked', async t => {
  t.equal(decide([block('203.0.113.99/24')], question(unverified('203.0.113.7'))).action, 'allow')
})

t.test('another rule may allow an excepted address again', async t => {
  const again = networkPolicy({ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.7/32' } }] }] }, 'again')
  t.equal(decide([block('203.0.113.0/24', ['203.0.113.0/28']), again], question(unverified('203.0.113.7'))).action, 'allow')
})

t.test('IPv6, and a mapped IPv4 address is the IPv4 address', async t => {
  t.equal(decide([block('2001:db8::/32', ['2001:db8:bad::/48'])], question(unverified('2001:db8:1::1'))).action, 'allow')
  t.equal(decide([block('2001:db8::/32', ['2001:db8:bad::/48'])], question(unverified('2001:db8:bad::1'))).action, 'deny')
  t.equal(decide([block('0.0.0.0/0')], question(unverified('2001:db8::1'))).action, 'deny')
  t.equal(decide([block('203.0.113.0/24')], question(unverified('::ffff:203.0.113.7'))).action, 'allow')
})

t.test('the wire address of a verified peer matches no CIDR, neither to allow nor to deny', async t => {
  t.equal(decide([block('0.0.0.0/0')], question(verified())).action, 'deny')
  const denyAll = clusterPolicy([{ action: 'Deny', to: [{ networks: ['0.0.0.0/0', '::/0'] }] }], { direction: 'egress' })
  t.equal(decide([denyAll], question(verified(), { direction: 'egress' })).action, 'allow')
  t.equal(decide([denyAll], question(unverified(), { direction: 'egress' })).action, 'deny')
})

t.test('a verified peer of the same cluster is matched by the address known to be its own', async t => {
  const facts = { podIp: ipFrom('10.1.2.3') }
  t.equal(decide([block('10.1.0.0/16')], question(verified(), { facts })).action, 'allow')
  t.equal(decide([block('10.0.0.1/32')], question(verified(), { facts })).action, 'deny', 'not by the wire address')
})

t.test('an address of a peer proven to be elsewhere never matches a CIDR, sameness or not', async t => {
  const facts = { podIp: ipFrom('10.1.2.3') }
  const west = verified({ cluster: 'west' })
  t.equal(decide([block('10.0.0.0/8')], question(west, { facts })).action, 'deny')
  t.equal(decide([block('10.0.0.0/8')], question(west, { facts }), { sameness: [{ trustDomain: 'east.example', cluster: 'west' }] }).action, 'deny')
  t.match(decide([block('10.0.0.0/8')], question(west, { facts })).reason, /proven to be of cluster west/)
})

t.test('only CIDR peers still isolate', async t => {
  t.equal(decide([block('192.0.2.0/24')], question(verified())).action, 'deny')
})

t.test('a pod in its node\'s network is neither subject nor pod peer, but a node', async t => {
  const node = { namespace: 'kube-system', name: 'agent', hostNetwork: true, ip: '172.18.0.10', nodeLabels: { 'kubernetes.io/os': 'linux' } }
  const web = { namespace: 'shop', name: 'web', ip: '10.1.0.1' }
  const policies = [
    networkPolicy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [{ namespaceSelector: {} }] }] }),
    networkPolicy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, 'np', 'kube-system'),
  ]
  const judged = (manifests: object[], source: object, destination: object): ReturnType<typeof judgeFlow> => judgeFlow(setOf(manifests), parseFlow({ source, destination, port: 80 }, home), noon)
  t.match(judged(policies, node, web), { egress: { action: 'allow', decidedBy: { kind: 'default' } }, ingress: { action: 'deny' } })
  const toLinux = clusterPolicy([{ action: 'Deny', to: [{ nodes: { matchLabels: { 'kubernetes.io/os': 'linux' } } }] }], { direction: 'egress' })
  t.equal(judged([toLinux], web, node).egress.action, 'deny')
  t.equal(judged([toLinux], web, { ...web, name: 'other', nodeLabels: { 'kubernetes.io/os': 'linux' } }).egress.action, 'allow', 'a pod is no node')
  t.equal(judged([toLinux], web, { external: '172.18.0.10' }).egress.action, 'allow', 'an address alone is no node')
})

t.test('the own node comes in unasked only where that is configured, and only in', async t => {
  const policies = [networkPolicy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })]
  const node = unverified('172.18.0.2', 'node')
  t.equal(decide(policies, question(node)).action, 'deny')
  t.equal(decide(policies, question(node), { ownNodeMayEnter: true }).action, 'allow')
  t.equal(decide(policies, question(node, { direction: 'egress' }), { ownNodeMayEnter: true }).action, 'deny')
  t.equal(decide(policies, question(unverified('172.18.0.2')), { ownNodeMayEnter: true }).action, 'deny')
})

t.test('a host network endpoint without an address matches no CIDR', async t => {
  const flow = parseFlow({ source: { namespace: 'x', name: 'n', hostNetwork: true }, destination: { namespace: 'shop', name: 'web' }, port: 80 }, home)
  t.equal(judgeFlow(setOf([block('0.0.0.0/0')]), flow, noon).ingress.action, 'deny')
})

t.test('domain names are matched only where they are known for an unverified address', async t => {
  const policy = accessPolicy({ egress: [{ to: [{ fqdns: ['*.Example.com.'] }] }] })
  const egress = { direction: 'egress' as const }
  t.equal(decide([policy], question(unverified(), { ...egress, facts: { domains: ['www.example.com'] } })).action, 'allow')
  t.equal(decide([policy], question(unverified(), { ...egress, facts: { domains: ['example.com'] } })).action, 'deny')
  t.equal(decide([policy], question(unverified(), egress)).action, 'deny')
  t.equal(decide([policy], question(verified(), { ...egress, facts: { domains: ['www.example.com'] } })).action, 'deny')
})

t.test('a proven peer is neither a node nor a domain name, whatever is known of its address', async t => {
  const facts = { nodeLabels: { os: 'linux' }, domains: ['a.io'] }
  const egress = { direction: 'egress' as const, facts }
  const denyNodes = clusterPolicy([{ action: 'Deny', to: [{ nodes: {} }] }], { direction: 'egress' })
  const denyButName = clusterPolicy([{ action: 'Accept', to: [{ domainNames: ['a.io'] }] }, { action: 'Deny', to: [{ namespaces: {} }, { networks: ['0.0.0.0/0'] }] }], { direction: 'egress' })
  t.equal(decide([denyNodes], question(unverified(), egress)).action, 'deny')
  t.equal(decide([denyNodes], question(verified(), egress)).action, 'allow')
  t.equal(decide([denyButName], question(unverified(), egress)).action, 'allow')
  t.equal(decide([denyButName], question(verified(), egress)).action, 'deny')
})

t.test('*. stands for one or more whole labels', async t => {
  t.equal(domainMatches('*.a.io', 'x.y.a.io'), true)
  t.equal(domainMatches('*.a.io', 'xa.io'), false)
  t.equal(domainMatches('*.a.io', '.a.io'), false)
  t.equal(domainMatches('a.io', 'a.io'), true)
})
