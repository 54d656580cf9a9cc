/** The kinds of objects that we follow, and where the API server has them. */

export interface Resource {
  /** Plural name, as in discovery. */
  readonly name: string
  readonly path: string
  /** Where discovery lists the kinds of the group's version. */
  readonly groupPath: string
  /** Media type of a list, and of everything else: single objects and events. */
  readonly accept: { readonly list: string, readonly one: string }
  /** May be absent: it is there when its CRD is. */
  readonly optional: boolean
  /** What a person knows the objects by: the kind. */
  readonly kind: string
  readonly apiVersion: string
  readonly fieldSelector?: string
}

const whole = { list: 'application/json', one: 'application/json' }
/** Names, labels and annotations only: the rest of the object is not even sent. */
const metadataOnly = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  one: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
}

/** Pods that are scheduled on `node`. */
export function podsOf (node: string): Resource {
  return { ...core('pods', 'Pod'), fieldSelector: `spec.nodeName=${node}` }
}

export const namespaces: Resource = { ...core('namespaces', 'Namespace'), accept: metadataOnly }

/** Watched for the moment in which a kind of `policyResources` appears. */
export const definitions: Resource = { ...group('apiextensions.k8s.io/v1', 'customresourcedefinitions', 'CustomResourceDefinition'), accept: metadataOnly }

export const accessPolicies: Resource = { ...group('liburna.io/v1alpha1', 'accesspolicies', 'AccessPolicy'), optional: true }

export const policyResources: readonly Resource[] = [
  group('networking.k8s.io/v1', 'networkpolicies', 'NetworkPolicy'),
  { ...group('policy.networking.k8s.io/v1alpha1', 'adminnetworkpolicies', 'AdminNetworkPolicy'), optional: true },
  { ...group('policy.networking.k8s.io/v1alpha1', 'baselineadminnetworkpolicies', 'BaselineAdminNetworkPolicy'), optional: true },
  { ...group('policy.networking.k8s.io/v1alpha2', 'clusternetworkpolicies', 'ClusterNetworkPolicy'), optional: true },
  accessPolicies,
]

function core (name: string, kind: string): Resource {
  return { name, kind, apiVersion: 'v1', path: `/api/v1/${name}`, groupPath: '/api/v1', accept: whole, optional: false }
}

function group (version: string, name: string, kind: string): Resource {
  return { name, kind, apiVersion: version, path: `/apis/${version}/${name}`, groupPath: `/apis/${version}`, accept: whole, optional: false }
}
