/**
 * What is known of a pod, from its object at the API server. Pure. Agent and issuer both read pods by this file, so
 * that what one asks for is what the other signs.
 */

import { namespaceNameLabel } from '../../model/labels.ts'
import { listAt, textAt, textsAt, valueAt } from './json.ts'
import type { Labels } from '../../model/labels.ts'
import type { Identity, NamedPort, Owner, Protocol } from '../../model/workload.ts'

/** The part of a pod that we keep; the rest of the object is forgotten at once. */
export interface PodFacts {
  readonly uid: string
  /** What the node calls a static pod: the hash of its file. The uid at the API server is another. Empty for other pods. */
  readonly staticUid: string
  readonly namespace: string
  readonly name: string
  readonly node: string
  readonly serviceAccount: string
  readonly hostNetwork: boolean
  readonly labels: Labels
  /** Only those whose key begins with `liburna.io/`. */
  readonly annotations: Labels
  readonly owner: Owner | undefined
  readonly ports: readonly NamedPort[]
  /** Digests, sorted; empty until the containers have been made. */
  readonly images: readonly string[]
  /** Its containers have ended for good. */
  readonly isFinished: boolean
  /** By when the kubelet is to have ended it, ms since the epoch; `undefined` while nobody wants it to end. */
  readonly endsByMs: number | undefined
}

/** The names of where a pod runs. */
export interface PodPlace {
  readonly cluster: string
  readonly trustDomain: string
}

const annotationPrefix = 'liburna.io/'
const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

/** `undefined` when the object is no pod with name, namespace and uid. */
export function podFactsOf (pod: unknown): PodFacts | undefined {
  const [uid, namespace, name] = ['uid', 'namespace', 'name'].map(key => textAt(pod, 'metadata', key))
  if (!uid || !namespace || !name) return undefined
  const labels = textsAt(pod, 'metadata', 'labels')
  const annotations = textsAt(pod, 'metadata', 'annotations')
  return {
    uid, namespace, name, labels,
    staticUid: annotations['kubernetes.io/config.hash'] ?? '',
    node: textAt(pod, 'spec', 'nodeName'),
    serviceAccount: textAt(pod, 'spec', 'serviceAccountName') || 'default',
    hostNetwork: valueAt(pod, 'spec', 'hostNetwork') === true,
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => key.startsWith(annotationPrefix))),
    owner: ownerOf(pod, labels),
    ports: portsOf(pod),
    images: imagesOf(pod),
    isFinished: ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase')),
    endsByMs: timeOf(textAt(pod, 'metadata', 'deletionTimestamp')),
  }
}

function timeOf (text: string): number | undefined {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** What is signed of a pod. */
export function identityOfPod (pod: PodFacts, namespaceLabels: Labels, place: PodPlace): Identity {
  const { namespace, name, uid, owner, labels, ports, images } = pod
  return {
    spiffeId: { trustDomain: place.trustDomain, namespace, serviceAccount: pod.serviceAccount },
    attributes: {
      cluster: place.cluster, namespace, name, uid, owner, labels, ports, images,
      namespaceLabels: { ...namespaceLabels, [namespaceNameLabel]: namespace },
    },
  }
}

/**
 * The controller that people know: a Deployment's ReplicaSet is named after it and the hash in the pod's label
 * (pkg/controller/deployment/sync.go), so its name needs no further question.
 */
function ownerOf (pod: unknown, labels: Labels): Owner | undefined {
  const reference = listAt(pod, 'metadata', 'ownerReferences').find(owner => valueAt(owner, 'controller') === true)
  if (reference === undefined) return undefined
  const [kind, name] = [textAt(reference, 'kind'), textAt(reference, 'name')]
  const suffix = `-${labels['pod-template-hash'] ?? ''}`
  if (kind === 'ReplicaSet' && suffix.length > 1 && name.endsWith(suffix)) return { kind: 'Deployment', name: name.slice(0, -suffix.length) }
  return { kind, name }
}

/** Named ports of containers and of sidecars (init containers that go on). */
function portsOf (pod: unknown): NamedPort[] {
  const sidecars = listAt(pod, 'spec', 'initContainers').filter(container => textAt(container, 'restartPolicy') === 'Always')
  return [...listAt(pod, 'spec', 'containers'), ...sidecars].flatMap(container => listAt(container, 'ports')).flatMap(port => {
    const [name, number] = [textAt(port, 'name'), valueAt(port, 'containerPort')]
    const protocol = protocols.find(each => each === (textAt(port, 'protocol') || 'TCP'))
    return name === '' || typeof number !== 'number' || protocol === undefined ? [] : [{ name, port: number, protocol }]
  })
}

/** `imageID` is `registry/name@sha256:…`, or the digest alone of an image that came from no registry. */
function imagesOf (pod: unknown): string[] {
  const statuses = ['containerStatuses', 'initContainerStatuses'].flatMap(key => listAt(pod, 'status', key))
  const digests = statuses.flatMap(status => /(?:^|@)(sha256:[0-9a-f]{64})$/.exec(textAt(status, 'imageID'))?.[1] ?? [])
  return [...new Set(digests)].sort()
}
