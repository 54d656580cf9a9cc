/** Random but meaningful policies and flows for the property tests: few names, so that things meet. */

import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'

const key = fc.constantFrom('app', 'tier', 'zone')
const value = fc.constantFrom('a', 'b', 'c')
const namespace = fc.constantFrom('shop', 'ops')
const port = fc.constantFrom(80, 81, 8080)

export const labels = fc.dictionary(key, value, { maxKeys: 3 })

const expression = fc.oneof(
  fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values: fc.array(value, { minLength: 1, maxLength: 2 }) }),
  fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
)
export const selector: Arbitrary<object> = fc.record({ matchLabels: fc.dictionary(key, value, { maxKeys: 2 }), matchExpressions: fc.array(expression, { maxLength: 2 }) }, { requiredKeys: [] })

const cidr = fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '203.0.113.0/24', '0.0.0.0/0', '2001:db8::/32')
const named = fc.constantFrom('http', 'metrics')
const protocol = fc.constantFrom('TCP', 'UDP')

export const networkRule = (peers: 'from' | 'to'): Arbitrary<object> => fc.record({
  [peers]: fc.array(fc.oneof(
    fc.record({ podSelector: selector }), fc.record({ namespaceSelector: selector }), fc.record({ podSelector: selector, namespaceSelector: selector }), fc.record({ ipBlock: fc.record({ cidr }) })), { maxLength: 3 }),
  ports: fc.array(fc.oneof(fc.record({ port: named }), fc.record({ port, protocol }), fc.record({ protocol }), fc.record({ port, endPort: fc.constant(9000) })), { maxLength: 2 }),
}, { requiredKeys: [] })

const name = fc.constantFrom('p0', 'p1', 'p2', 'p3')

export const networkPolicies: Arbitrary<object> = fc.record({
  apiVersion: fc.constant('networking.k8s.io/v1'),
  kind: fc.constant('NetworkPolicy'),
  metadata: fc.record({ name, namespace }),
  spec: fc.record({
    podSelector: selector,
    policyTypes: fc.subarray(['Ingress', 'Egress']),
    ingress: fc.array(networkRule('from'), { maxLength: 3 }),
    egress: fc.array(networkRule('to'), { maxLength: 3 }),
  }, { requiredKeys: ['podSelector'] }),
})

const adminPeer = fc.oneof(fc.record({ namespaces: selector }), fc.record({ pods: fc.record({ namespaceSelector: selector, podSelector: selector }) }))
const adminRule = (peers: 'from' | 'to'): Arbitrary<object> => fc.record({
  action: fc.constantFrom('Accept', 'Deny', 'Pass'),
  [peers]: fc.array(peers === 'to' ? fc.oneof(adminPeer, fc.record({ networks: fc.uniqueArray(cidr, { minLength: 1, maxLength: 2 }) })) : adminPeer, { minLength: 1, maxLength: 3 }),
  protocols: fc.array(fc.oneof(fc.record({ tcp: fc.record({ destinationPort: fc.record({ number: port }) }) }), fc.record({ udp: fc.record({ destinationPort: fc.record({ range: fc.constant({ start: 1, end: 100 }) }) }) })), { minLength: 1, maxLength: 2 }),
}, { requiredKeys: ['action', peers] })

export const clusterPolicies: Arbitrary<object> = fc.record({
  apiVersion: fc.constant('policy.networking.k8s.io/v1alpha2'),
  kind: fc.constant('ClusterNetworkPolicy'),
  metadata: fc.record({ name }),
  spec: fc.record({
    tier: fc.constantFrom('Admin', 'Baseline'),
    priority: fc.integer({ min: 0, max: 2 }),
    subject: adminPeer,
    ingress: fc.array(adminRule('from'), { maxLength: 3 }),
    egress: fc.array(adminRule('to'), { maxLength: 3 }),
  }, { requiredKeys: ['tier', 'priority', 'subject'] }),
})

const accessPeer = fc.oneof(
  fc.record({ podSelector: selector }), fc.record({ namespaces: fc.tuple(namespace) }), fc.record({ clusters: fc.constant(['west']) }),
  fc.record({ trustDomains: fc.constant(['east.example']), namespaceSelector: selector }), fc.record({ ipBlock: fc.record({ cidr }) }))
const accessRule = (peers: 'from' | 'to'): Arbitrary<object> => fc.record({
  action: fc.constantFrom('allow', 'deny', 'observe'),
  [peers]: fc.array(accessPeer, { minLength: 1, maxLength: 3 }),
  ports: fc.array(fc.record({ port, protocol }), { minLength: 1, maxLength: 2 }),
}, { requiredKeys: [] })

export const accessPolicies: Arbitrary<object> = fc.record({
  apiVersion: fc.constant('liburna.io/v1alpha1'),
  kind: fc.constant('AccessPolicy'),
  metadata: fc.record({ name }),
  spec: fc.record({
    enforcement: fc.constantFrom('enforce', 'observe'),
    subject: fc.record({ podSelector: selector, namespaces: fc.tuple(namespace) }, { requiredKeys: [] }),
    isolates: fc.subarray(['ingress', 'egress']),
    ingress: fc.array(accessRule('from'), { maxLength: 3 }),
    egress: fc.array(accessRule('to'), { maxLength: 3 }),
  }, { requiredKeys: [] }),
})

export const policies: Arbitrary<object> = fc.oneof(networkPolicies, clusterPolicies, accessPolicies)
/** With distinct names: twins of one name are another matter. */
export const policySets: Arbitrary<object[]> = fc.uniqueArray(policies, { maxLength: 8, selector: one => JSON.stringify([(one as { kind: string }).kind, (one as { metadata: object }).metadata]) })

const workload = fc.record({
  namespace,
  name: fc.constantFrom('x', 'y'),
  labels,
  ip: fc.constantFrom('10.1.0.1', '10.2.0.2', '2001:db8::9'),
  cluster: fc.constantFrom('east', 'west'),
  hostNetwork: fc.boolean(),
  ports: fc.constant([{ name: 'http', port: 80, protocol: 'TCP' }, { name: 'metrics', port: 81, protocol: 'UDP' }]),
}, { requiredKeys: ['namespace', 'name', 'labels', 'ports'] })
const endpoint = fc.oneof({ weight: 5, arbitrary: workload }, { weight: 1, arbitrary: fc.record({ external: fc.constantFrom('203.0.113.9', '10.9.9.9', '2001:db8::1') }) })

export const flows: Arbitrary<object> = fc.record({ source: endpoint, destination: endpoint, protocol, port })
