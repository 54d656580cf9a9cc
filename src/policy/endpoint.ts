/**
 * Endpoints and flows given as facts (JSON of a stranger) rather than proven by certificates: what the offline tools ask about.
 *
 * Facts are believed: a workload counts as verified and its address as its own. A pod in its node's network is what
 * it is on the wire: an unverified address, with its node's labels.
 */

import { ipFrom, parseIp } from '../model/address.ts'
import { namespaceNameLabel } from '../model/labels.ts'
import { isTrustDomain } from '../model/spiffe-id.ts'
import { PolicyError } from './error.ts'
import { protocols, readProtocol } from './kinds/ports.ts'
import { whyNotNamespace } from './names.ts'
import { Place } from './reader.ts'
import type { IpAddress } from '../model/address.ts'
import type { Labels } from '../model/labels.ts'
import type { Identity, NamedPort, Protocol } from '../model/workload.ts'
import type { ClusterName } from './match.ts'

export interface WorkloadEndpoint {
  readonly kind: 'workload'
  readonly identity: Identity
  /** Its own address, where that is known. */
  readonly ip: IpAddress | undefined
  readonly hostNetwork: boolean
  /** Of the node it runs on. */
  readonly nodeLabels: Labels | undefined
}

export interface ExternalEndpoint {
  readonly kind: 'external'
  /** Its address, where that is known: an endpoint may be given by its name alone. */
  readonly ip: IpAddress | undefined
  /** Names known for the address; lower case, no final dot. */
  readonly domains: readonly string[]
}

export type Endpoint = WorkloadEndpoint | ExternalEndpoint

export interface Flow {
  readonly source: Endpoint
  readonly destination: Endpoint
  readonly protocol: Protocol
  /** Container port of the destination. */
  readonly port: number
}

const workloadFields = [
  'namespace', 'name', 'labels', 'namespaceLabels', 'serviceAccount', 'ip', 'ports', 'hostNetwork', 'nodeLabels', 'cluster', 'trustDomain', 'images',
]

/**
 * Reads `{source, destination, protocol, port}`; endpoints without a cluster are of `home`.
 * Throws PolicyError `endpoint-invalid`, naming the first thing wrong.
 */
export function parseFlow (value: unknown, home: ClusterName): Flow {
  return strictly(value, place => {
    place.record(['source', 'destination', 'protocol', 'port'])
    return {
      source: readEndpoint(place.at('source'), home),
      destination: readEndpoint(place.at('destination'), home),
      protocol: readProtocol(place.at('protocol')) ?? 'TCP',
      port: place.at('port').integer(1, 65535) ?? 0,
    }
  })
}

/** Reads one endpoint; throws as `parseFlow`. */
export function parseEndpoint (value: unknown, home: ClusterName): Endpoint {
  return strictly(value, place => readEndpoint(place, home))
}

function strictly<T> (value: unknown, read: (place: Place) => T): T {
  const place = new Place(value)
  const result = read(place)
  const [first] = place.problems
  if (first === undefined) return result
  const [where, what] = [first.path === '' ? 'the value' : first.path, first.value === '' ? '' : `, not ${first.value}`]
  throw new PolicyError(`${where}: ${first.reason}${what}`, { code: 'endpoint-invalid', path: first.path })
}

function readEndpoint (place: Place, home: ClusterName): Endpoint {
  if (place.at('external').present || place.at('fqdn').present) return readExternal(place)
  place.record(workloadFields)
  return {
    kind: 'workload',
    identity: readIdentity(place, home),
    ip: place.at('ip').present && place.at('ip').value !== '' ? readIp(place.at('ip')) : undefined,
    hostNetwork: readBoolean(place.at('hostNetwork')),
    nodeLabels: place.at('nodeLabels').present ? readLabels(place.at('nodeLabels')) : undefined,
  }
}

function readExternal (place: Place): ExternalEndpoint {
  place.record(['external', 'fqdn'])
  const [address, name] = [place.at('external'), place.at('fqdn')]
  return { kind: 'external', ip: address.present ? readIp(address) : undefined, domains: name.present ? [canonicalDomain(name.text() ?? '')] : [] }
}

/** The form in which domain names are compared. */
export function canonicalDomain (name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

function readIdentity (place: Place, home: ClusterName): Identity {
  const [trustDomain, cluster] = [place.at('trustDomain'), place.at('cluster')]
  const namespace = place.at('namespace').present ? place.at('namespace').text(whyNotNamespace) ?? '' : 'default'
  return {
    spiffeId: {
      trustDomain: trustDomain.present ? trustDomain.text(text => isTrustDomain(text) ? undefined : 'a trust domain is expected') ?? '' : home.trustDomain,
      namespace,
      serviceAccount: textOr(place.at('serviceAccount'), 'default'),
    },
    attributes: {
      cluster: cluster.present ? cluster.text() ?? '' : home.cluster,
      namespace,
      name: textOr(place.at('name'), ''),
      uid: '',
      owner: undefined,
      labels: readLabels(place.at('labels')),
      namespaceLabels: { ...readLabels(place.at('namespaceLabels')), [namespaceNameLabel]: namespace },
      ports: readPorts(place.at('ports')),
      images: place.at('images').texts(),
    },
  }
}

/** Ports with a name; one without is nothing that policy could ask for. */
function readPorts (place: Place): NamedPort[] {
  return place.items().flatMap(item => {
    item.record(['name', 'port', 'protocol'])
    const name = textOr(item.at('name'), '')
    const port = item.at('port').integer(1, 65535) ?? 0
    const protocol = item.at('protocol').present ? item.at('protocol').oneOf(protocols) ?? 'TCP' : 'TCP'
    return name === '' ? [] : [{ name, port, protocol }]
  })
}

function readLabels (place: Place): Labels {
  if (!place.present) return {}
  if (!place.isRecord) { place.refuse('an object is expected'); return {} }
  return Object.fromEntries(place.keys().map(key => [key, place.at(key).text() ?? '']))
}

function readIp (place: Place): IpAddress {
  const text = place.text(one => parseIp(one) === undefined ? 'an IP address is expected' : undefined)
  return ipFrom(text ?? '0.0.0.0')
}

function readBoolean (place: Place): boolean {
  if (place.present && typeof place.value !== 'boolean') place.refuse('true or false is expected')
  return place.value === true
}

function textOr (place: Place, other: string): string {
  return place.present ? place.text() ?? other : other
}
