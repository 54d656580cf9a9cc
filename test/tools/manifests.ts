/** Manifests of small and of large worlds, at random and by hand, and what `evaluate` says of their parties. */

import fc from 'fast-check'
import { defaultHome, evaluateDocument, takeInventory } from '../../src/tools/index.ts'
import { labels, policySets } from '../policy/arbitraries.ts'
import type { Arbitrary } from 'fast-check'
import type { Endpoint } from '../../src/policy/index.ts'
import type { FlowLine, Inventory, ToolContext } from '../../src/tools/index.ts'

export const noon = Date.UTC(2026, 10, 23, 12)
export const context: ToolContext = { home: defaultHome, homeOnly: false, sameness: [], unsignedLabels: [], nowMs: noon }

export function namespace (name: string, labels: object = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

export function networkPolicy (name: string, spec: object, namespace = 'shop'): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec }
}

interface WorkloadSpec {
  readonly namespace?: string
  readonly labels?: object
  readonly ports?: readonly object[]
  readonly spec?: object
  readonly kind?: string
}

/** A controller with one container. */
export function deployment (name: string, { namespace = 'shop', labels = { app: name }, ports = [], spec = {}, kind = 'Deployment' }: WorkloadSpec = {}): object {
  return { apiVersion: 'apps/v1', kind, metadata: { name, namespace }, spec: { template: { metadata: { labels }, spec: { ...spec, containers: [{ ports }] } } } }
}

export function pod (name: string, { namespace = 'shop', labels = { app: name }, ports = [], spec = {} }: WorkloadSpec = {}, ip?: string): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels }, spec: { ...spec, containers: [{ ports }] }, ...(ip === undefined ? {} : { status: { podIP: ip } }) }
}

const port = fc.constantFrom({ name: 'http', containerPort: 80 }, { name: 'http', containerPort: 81 }, { name: 'metrics', containerPort: 81, protocol: 'UDP' }, { containerPort: 8080 }, { containerPort: 500 })
const workload = fc.record({ labels, namespace: fc.constantFrom('shop', 'ops'), ports: fc.array(port, { maxLength: 2 }), spec: fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constant({ hostNetwork: true }) }) })
const workloads = fc.array(fc.tuple(workload, fc.constantFrom('Deployment', 'Pod'), fc.constantFrom('10.1.0.1', '10.2.0.2', '2001:db8::9')), { minLength: 1, maxLength: 4 })
  .map(list => list.map(([spec, kind, ip], i) => kind === 'Pod' ? pod(`w${i}`, spec, ip) : deployment(`w${i}`, spec)))

/** Namespaces, workloads and policies about them. */
export const worlds: Arbitrary<object[]> = fc.tuple(policySets, workloads, fc.constantFrom('a', 'b')).map(([policies, some, zone]) => [namespace('shop', { zone }), ...some, ...policies])

/** An endpoint of the tools as the JSON that `evaluate` takes. */
export function endpointJson (endpoint: Endpoint): object {
  if (endpoint.kind === 'external') return { ...(endpoint.ip === undefined ? {} : { external: endpoint.ip.text }), ...(endpoint.domains[0] === undefined ? {} : { fqdn: endpoint.domains[0] }) }
  const { identity: { spiffeId: { trustDomain, serviceAccount }, attributes }, ip, hostNetwork } = endpoint
  const { namespace, name, labels, namespaceLabels, ports, images, cluster } = attributes
  return { namespace, name, labels, namespaceLabels, ports, images, cluster, trustDomain, serviceAccount, hostNetwork, ...(ip === undefined ? {} : { ip: ip.text }) }
}

export interface AskedPair { readonly source: Endpoint, readonly destination: Endpoint, readonly protocol: string, readonly port: number }

/** What `evaluate` answers to these, in order. */
export function evaluated (manifests: readonly object[], asked: readonly AskedPair[]): FlowLine[] {
  const flows = asked.map(({ source, destination, protocol, port }) => ({ source: endpointJson(source), destination: endpointJson(destination), protocol, port }))
  return [...evaluateDocument({ manifests, flows }, context).flows]
}

export function inventory (manifests: readonly object[]): Inventory {
  return takeInventory(manifests, context)
}
