/** Short ways to write pods, peers, policies and questions in the tests of this folder. */

import { ipFrom } from '../../src/model/address.ts'
import { namespaceNameLabel } from '../../src/model/labels.ts'
import { compile, parseManifests } from '../../src/policy/index.ts'
import type { Labels } from '../../src/model/labels.ts'
import type { Peer, UnverifiedReason } from '../../src/model/peer.ts'
import type { Identity, NamedPort } from '../../src/model/workload.ts'
import type { CompileOptions, PolicyDecision, PolicyDirection, PolicyStore, Question } from '../../src/policy/index.ts'

export const noon = Date.UTC(2026, 10, 23, 12)

export interface PodSpec {
  readonly namespace?: string
  readonly name?: string
  readonly labels?: Labels
  readonly namespaceLabels?: Labels
  readonly serviceAccount?: string
  readonly cluster?: string
  readonly trustDomain?: string
  readonly ports?: readonly NamedPort[]
  readonly images?: readonly string[]
}

export function pod ({ namespace = 'shop', name = 'pod', labels = {}, namespaceLabels = {}, serviceAccount = 'default', cluster = 'east', trustDomain = 'east.example', ports = [], images = [] }: PodSpec = {}): Identity {
  return {
    spiffeId: { trustDomain, namespace, serviceAccount },
    attributes: { cluster, namespace, name, uid: `uid-${namespace}-${name}`, owner: undefined, labels, namespaceLabels: { [namespaceNameLabel]: namespace, ...namespaceLabels }, ports, images },
  }
}

/** A proven peer whose wire address is a gateway's. */
export function verified (spec: PodSpec = {}): Peer {
  return { kind: 'verified', identity: pod(spec), ip: ipFrom('10.0.0.1'), notAfterMs: noon + 3_600_000 }
}

export function unverified (ip = '203.0.113.7', reason: UnverifiedReason = 'no-agent'): Peer {
  return { kind: 'unverified', reason, ip: ipFrom(ip) }
}

export function question (peer: Peer, rest: Partial<Question> = {}): Question {
  return { direction: 'ingress', subject: pod({ name: 'web', labels: { app: 'web' } }), peer, protocol: 'TCP', port: 80, destinationPorts: [], nowMs: noon, ...rest }
}

/** A set made of manifests that must all be valid. */
export function setOf (manifests: readonly unknown[], options?: CompileOptions): PolicyStore {
  const { policies, invalid } = parseManifests(manifests)
  if (invalid.length > 0) throw new Error(`invalid manifest: ${JSON.stringify(invalid)}`)
  return compile(policies, options)
}

export function decide (manifests: readonly unknown[], asked: Question, options?: CompileOptions): PolicyDecision {
  return setOf(manifests, options).decide(asked)
}

export function networkPolicy (spec: object, name = 'np', namespace = 'shop'): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec }
}

/** A ClusterNetworkPolicy about everybody, with these rules in one direction. */
export function clusterPolicy (rules: readonly object[], { name = 'cnp', tier = 'Admin', priority = 10, direction = 'ingress' as PolicyDirection, subject = { namespaces: {} } as object } = {}): object {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec: { tier, priority, subject, [direction]: rules } }
}

export function accessPolicy (spec: object, name = 'ap'): object {
  return { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name }, spec }
}
