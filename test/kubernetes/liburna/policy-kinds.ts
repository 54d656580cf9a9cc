/**
 * Kinds of policy that clusters have as CRDs: definitions of our own with the names that count and no schema, and one
 * policy of each kind that either denies or allows what captured pods ask of a pod.
 */

import { networkPolicy } from './manifests.ts'

const group = 'policy.networking.k8s.io'

/** The CRDs of kubernetes-sigs/network-policy-api, as far as whoever lists and watches can tell. */
export const standardDefinitions: readonly object[] = [
  definition('v1alpha1', 'AdminNetworkPolicy', 'adminnetworkpolicies'),
  definition('v1alpha1', 'BaselineAdminNetworkPolicy', 'baselineadminnetworkpolicies'),
  definition('v1alpha2', 'ClusterNetworkPolicy', 'clusternetworkpolicies'),
]

function definition (version: string, kind: string, plural: string): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
    // The API server lets nobody define kinds of this group without it.
    metadata: { name: `${plural}.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' } },
    spec: {
      group, scope: 'Cluster', names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
    },
  }
}

export type Verdict = 'allow' | 'deny'
export type PolicyKind = keyof typeof policyOf

/** What pods of `shop` labelled `app: client` ask of those labelled `app: web`. */
export const policyOf = {
  NetworkPolicy: (shop: string, verdict: Verdict) => networkPolicy(shop, 'web', verdict === 'allow' ? 'client' : 'nobody'),
  AdminNetworkPolicy: (shop: string, verdict: Verdict) => admin('v1alpha1', 'AdminNetworkPolicy', 'web', { priority: 5, ...ingress(shop, { allow: 'Allow', deny: 'Deny' }[verdict]) }),
  BaselineAdminNetworkPolicy: (shop: string, verdict: Verdict) => admin('v1alpha1', 'BaselineAdminNetworkPolicy', 'default', ingress(shop, { allow: 'Allow', deny: 'Deny' }[verdict])),
  ClusterNetworkPolicy: (shop: string, verdict: Verdict) => admin('v1alpha2', 'ClusterNetworkPolicy', 'web', { tier: 'Admin', priority: 5, ...ingress(shop, { allow: 'Accept', deny: 'Deny' }[verdict]) }),
  AccessPolicy: (shop: string, verdict: Verdict) => ({
    apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'web' },
    spec: { subject: { namespaces: [shop], podSelector: { matchLabels: { app: 'web' } } }, ingress: [{ action: verdict, from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] },
  }),
} as const satisfies Record<string, (shop: string, verdict: Verdict) => object>

function admin (version: string, kind: string, name: string, spec: object): object {
  return { apiVersion: `${group}/${version}`, kind, metadata: { name }, spec }
}

function ingress (shop: string, action: string): object {
  const pods = (app: string): object => ({ pods: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': shop } }, podSelector: { matchLabels: { app } } } })
  return { subject: pods('web'), ingress: [{ name: 'by-test', action, from: [pods('client')] }] }
}
