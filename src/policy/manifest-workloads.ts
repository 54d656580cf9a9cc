/**
 * The workloads that manifests describe: pods, and the pods that controllers would make from their templates.
 * For tools that ask who could reach whom before anything runs.
 */

import { parseIp } from '../model/address.ts'
import { namespaceNameLabel } from '../model/labels.ts'
import { protocols } from './kinds/ports.ts'
import { openLists } from './manifest-list.ts'
import { formatRef } from './normal-form.ts'
import { Place } from './reader.ts'
import type { Labels } from '../model/labels.ts'
import type { NamedPort } from '../model/workload.ts'
import type { WorkloadEndpoint } from './endpoint.ts'
import type { ClusterName } from './match.ts'
import type { PolicyRef } from './normal-form.ts'
import type { InvalidObject } from './parse.ts'

export interface ManifestWorkload {
  /** Kind of the object: `Pod`, `Deployment`… */
  readonly kind: string
  readonly endpoint: WorkloadEndpoint
  /** Every declared container port; `name` is empty where it has none. */
  readonly ports: readonly NamedPort[]
}

export interface ManifestWorkloads {
  /** Sorted by namespace, name, kind. */
  readonly workloads: readonly ManifestWorkload[]
  /** Labels by namespace, for those that are described; each has `kubernetes.io/metadata.name`. */
  readonly namespaces: Readonly<Record<string, Labels>>
  readonly invalid: readonly InvalidObject[]
}

/** Where the pod template of each kind is. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
}

/** Reads workloads and namespaces among `objects`; other kinds are passed over. Never throws. */
export function workloadsIn (objects: readonly unknown[], home: ClusterName): ManifestWorkloads {
  const places = openLists(objects).map(object => new Place(object))
  const namespaces = namespacesIn(places)
  const owned = ownersIn(places)
  const workloads = places.filter(place => isWorkload(place) && !hasOwnerIn(owned, place)).map(place => readWorkload(place, namespaces, home))
  const invalid = places.flatMap(place => place.problems.map(problem => ({ ...refOf(place), ...problem })))
  return { workloads: workloads.sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1), namespaces, invalid }
}

function keyOf ({ kind, endpoint: { identity: { attributes } } }: ManifestWorkload): string {
  return `${attributes.namespace}/${attributes.name}/${kind}`
}

function isWorkload (place: Place): boolean {
  const { value } = place.at('kind')
  return typeof value === 'string' && Object.hasOwn(templates, value)
}

function namespacesIn (places: readonly Place[]): Record<string, Labels> {
  const spaces = places.filter(place => place.at('kind').value === 'Namespace' && place.at('apiVersion').value === 'v1')
  return Object.fromEntries(spaces.map(place => {
    const name = text(place.at('metadata').at('name'), '')
    return [name, { ...labelsOf(place.at('metadata').at('labels')), [namespaceNameLabel]: name }]
  }))
}

/** Keys of the controllers described: their pods and replica sets need not be counted again. */
function ownersIn (places: readonly Place[]): ReadonlySet<string> {
  return new Set(places.filter(isWorkload).map(place => formatRef(refOf(place))))
}

function hasOwnerIn (owners: ReadonlySet<string>, place: Place): boolean {
  const { namespace } = refOf(place)
  const references = place.at('metadata').at('ownerReferences').items()
  return references.some(owner => owners.has(formatRef({ namespace, kind: text(owner.at('kind'), ''), name: text(owner.at('name'), '') })))
}

function readWorkload (place: Place, namespaces: Readonly<Record<string, Labels>>, home: ClusterName): ManifestWorkload {
  const { kind, namespace, name } = refOf(place)
  const pod = (templates[kind] ?? []).reduce((at, key) => at.at(key), place)
  const spec = pod.at('spec')
  if (!spec.isRecord) spec.refuse('a pod template is expected')
  const containers = [...spec.at('containers').items(), ...spec.at('initContainers').items().filter(one => one.at('restartPolicy').value === 'Always')]
  const ports = containers.flatMap(container => container.at('ports').items().map(readPort)).filter(port => port !== undefined)
  return {
    kind,
    ports,
    endpoint: {
      kind: 'workload',
      identity: {
        spiffeId: { trustDomain: home.trustDomain, namespace, serviceAccount: text(spec.at('serviceAccountName'), 'default') },
        attributes: {
          cluster: home.cluster,
          namespace,
          name,
          uid: '',
          owner: kind === 'Pod' ? undefined : { kind, name },
          labels: labelsOf(pod.at('metadata').at('labels')),
          namespaceLabels: { ...(Object.hasOwn(namespaces, namespace) ? namespaces[namespace] : {}), [namespaceNameLabel]: namespace },
          ports: ports.filter(port => port.name !== ''),
          images: containers.flatMap(container => /@(sha256:[0-9a-f]{64})$/.exec(text(container.at('image'), ''))?.[1] ?? []),
        },
      },
      ip: parseIp(text(place.at('status').at('podIP'), '')),
      hostNetwork: spec.at('hostNetwork').value === true,
      nodeLabels: undefined,
    },
  }
}

function refOf (place: Place): PolicyRef {
  const metadata = place.at('metadata')
  return { kind: text(place.at('kind'), ''), namespace: text(metadata.at('namespace'), 'default'), name: text(metadata.at('name'), '') }
}

function readPort (place: Place): NamedPort | undefined {
  const port = place.at('containerPort').integer(1, 65535)
  const protocol = place.at('protocol').present ? place.at('protocol').oneOf(protocols) : 'TCP'
  return port === undefined || protocol === undefined ? undefined : { name: text(place.at('name'), ''), port, protocol }
}

function labelsOf (place: Place): Labels {
  return Object.fromEntries(place.keys().map(key => [key, text(place.at(key), '')]))
}

/** A text, or `other` where there is none; what else stands there is refused. */
function text (place: Place, other: string): string {
  return place.present ? place.text() ?? other : other
}
