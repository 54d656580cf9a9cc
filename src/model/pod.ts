/**
 * What a Pod object of the Kubernetes API says of a workload. The agent and the issuer both read pods by this file: what
 * the one expects is what the other signs.
 *
 * Who wrote what: labels, service account, ports and owner are the pod's creator's, as admission let them through; image digests
 * and the state of containers are what the kubelet of the pod's node says.
 */

import { namespaceNameLabel } from './labels.ts'
import type { Labels } from './labels.ts'
import type { Identity, NamedPort, Owner, Protocol } from './workload.ts'

/** The fields of the API's Pod (core/v1) that are read; as JSON has them, so every one may be absent. */
export interface PodObject {
  readonly metadata?: {
    readonly namespace?: string
    readonly name?: string
    readonly uid?: string
    readonly labels?: Labels
    readonly ownerReferences?: readonly { readonly kind: string, readonly name: string, readonly controller?: boolean }[]
  }
  readonly spec?: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly serviceAccountName?: string
    readonly containers?: readonly ContainerObject[]
    readonly initContainers?: readonly ContainerObject[]
  }
  readonly status?: {
    readonly phase?: string
    readonly containerStatuses?: readonly ContainerStatusObject[]
    readonly initContainerStatuses?: readonly ContainerStatusObject[]
  }
}

interface ContainerObject {
  readonly name: string
  readonly restartPolicy?: string
  readonly ports?: readonly { readonly name?: string, readonly containerPort: number, readonly protocol?: string }[]
}

interface ContainerStatusObject {
  readonly name: string
  readonly imageID?: string
}

/** A pod that is placed or not, as plain facts. */
export interface PodFacts {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** Empty until it is scheduled. */
  readonly nodeName: string
  /** Its network is its node's: it *is* the node. */
  readonly hostNetwork: boolean
  /** All its containers have ended for good. */
  readonly ended: boolean
  readonly serviceAccount: string
  readonly labels: Labels
  readonly owner: Owner | undefined
  /** Of containers that stay: those of the pod and its sidecars. */
  readonly ports: readonly NamedPort[]
  /** Digests of what these containers run, as far as they have been made; sorted, none twice. */
  readonly images: readonly string[]
}

/** Names of where pods live. */
export interface PodPlace {
  readonly trustDomain: string
  readonly cluster: string
}

/** The facts; `undefined` for an object that has no name, namespace or uid. */
export function podFacts ({ metadata = {}, spec = {}, status = {} }: PodObject): PodFacts | undefined {
  const { namespace = '', name = '', uid = '', labels = {} } = metadata
  if (namespace === '' || name === '' || uid === '') return undefined
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  const staying = [...spec.containers ?? [], ...sidecars]
  return {
    namespace, name, uid, labels,
    nodeName: spec.nodeName ?? '',
    hostNetwork: spec.hostNetwork ?? false,
    ended: status.phase === 'Succeeded' || status.phase === 'Failed',
    serviceAccount: spec.serviceAccountName ?? 'default',
    owner: ownerOf(metadata),
    ports: staying.flatMap(namedPorts),
    images: imagesOf(staying, [...status.containerStatuses ?? [], ...status.initContainerStatuses ?? []]),
  }
}

/** Who the pod is; `namespaceLabels` are those of its namespace. */
export function podIdentity (pod: PodFacts, namespaceLabels: Labels, { trustDomain, cluster }: PodPlace): Identity {
  const { namespace, name, uid, owner, labels, ports, images, serviceAccount } = pod
  return {
    spiffeId: { trustDomain, namespace, serviceAccount },
    attributes: { cluster, namespace, name, uid, owner, labels, ports, images, namespaceLabels: { ...namespaceLabels, [namespaceNameLabel]: namespace } },
  }
}

/**
 * The controller; for a ReplicaSet that a Deployment made (it is named after the Deployment and the hash of the pod's
 * template) the Deployment. Read from the name and not from the ReplicaSet: whoever may make pods may write any owner
 * into them, so to ask further would cost permissions and prove nothing.
 */
function ownerOf ({ ownerReferences = [], labels = {} }: NonNullable<PodObject['metadata']>): Owner | undefined {
  const found = ownerReferences.find(({ controller }) => controller === true)
  if (found === undefined) return undefined
  const suffix = `-${labels['pod-template-hash'] ?? ''}`
  const isOfDeployment = found.kind === 'ReplicaSet' && suffix.length > 1 && found.name.endsWith(suffix) && found.name.length > suffix.length
  return isOfDeployment ? { kind: 'Deployment', name: found.name.slice(0, -suffix.length) } : { kind: found.kind, name: found.name }
}

function namedPorts ({ ports = [] }: ContainerObject): NamedPort[] {
  return ports.flatMap(({ name = '', containerPort, protocol = 'TCP' }) => {
    return name !== '' && isProtocol(protocol) ? [{ name, port: containerPort, protocol }] : []
  })
}

function isProtocol (text: string): text is Protocol {
  return text === 'TCP' || text === 'UDP' || text === 'SCTP'
}

/** `imageID` ends in the digest by which the runtime knows the image: of its manifest, or of its configuration for one that was never pulled. */
function imagesOf (containers: readonly ContainerObject[], statuses: readonly ContainerStatusObject[]): string[] {
  const names = new Set(containers.map(({ name }) => name))
  const digests = statuses.flatMap(({ name, imageID = '' }) => names.has(name) ? /sha256:[0-9a-f]{64}$/.exec(imageID)?.[0] ?? [] : [])
  return [...new Set(digests)].sort()
}
