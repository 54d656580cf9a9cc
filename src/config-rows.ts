/** The table of settings: a row for each, with its default, its kind and its meaning. What is made of them is in config.ts. */

import { kubernetesSettings } from './cluster/index.ts'
import { defaultExcludedLabels } from './identity/index.ts'
import { parseDuration } from './lib/duration.ts'
import { choiceReader, flagReader, listReader, mapReader, numberReader, parsedReader, recordReader, settingsUnder, textReader } from './lib/settings.ts'
import { parseSocketAddress } from './model/address.ts'
import { isInterfacePattern } from './model/interface-pattern.ts'
import { parseCidr } from './model/cidr.ts'
import { namespaceNameLabel } from './model/labels.ts'
import { askedModes } from './model/mode.ts'
import { isTrustDomain } from './model/spiffe-id.ts'
import { logLevels } from './observe/index.ts'
import type { Reader, Setting, Settings } from './lib/settings.ts'
import type { SocketAddress } from './model/address.ts'

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
/** Ciphers' names of OpenSSL, colon between them. */
const groupList = /^[A-Za-z0-9_-]{1,40}(?::[A-Za-z0-9_-]{1,40}){0,9}$/

const name = textReader('name', 'a name of lower-case letters, digits, - and .', text => dnsName.test(text))
const namespace = textReader('name', 'a name of lower-case letters, digits and -, at most 63 long', text => dnsLabel.test(text))
const path = textReader('path', 'a path', text => text !== '' && !text.includes('\0'))
const optionalPath = textReader('path', 'a path', text => !text.includes('\0'))
const anyText = textReader('text', 'text', () => true)
const labelKeyText = textReader('label key', 'a label key such as app or example.com/app', isLabelKey)
const labels = recordReader(labelKeyText, textReader('label value', 'a label value of at most 63 letters, digits, -, _ and .', text => labelValue.test(text)), 'labels')
const cidr = parsedReader('CIDR', 'a CIDR such as 10.0.0.0/8', parseCidr)
const port = numberReader('port', 1, 65535)
const ports = recordReader(textReader('port name', 'a port name of at most 15 lower-case letters, digits and -', isPortName), port, 'map of name to port')
const httpsUrl = textReader('URL', 'a URL such as https://host:8443', text => text === '' || URL.canParse(text) && new URL(text).protocol === 'https:' && new URL(text).username === '')
const account = textReader('namespace/name', 'a service account such as liburna/liburna-issuer', text => text.split('/').length === 2 && text.split('/').every(part => dnsName.test(part)))
const trustDomain = textReader('trust domain', 'a SPIFFE trust domain such as east.example', isTrustDomain)
const mode = choiceReader(askedModes)
const digest = textReader('digest', 'an image digest such as sha256:64 hex digits', text => /^sha256:[0-9a-f]{64}$/.test(text))

export const workloadRows = {
  'netns': row(path, { meaning: 'network namespace: a name under /run/netns, or a path' }),
  'namespace': row(namespace, { default: 'default', meaning: 'Kubernetes namespace' }),
  'name': row(name, { meaning: 'name of the pod; unique within the namespace' }),
  'serviceAccount': row(name, { default: 'default', meaning: 'service account; the last part of the SPIFFE ID' }),
  'uid': row(textReader('text', 'at most 64 letters, digits and -', text => /^[A-Za-z0-9-]{0,64}$/.test(text)), { default: '', meaning: 'uid of the pod; derived from the names when empty' }),
  'labels': row(labels, { default: {}, meaning: 'labels of the pod' }),
  'ports': row(ports, { default: {}, meaning: 'named TCP ports, for policies that name a port' }),
  'owner.kind': row(anyText, { default: '', meaning: 'kind of the owner, e.g. Deployment' }),
  'owner.name': row(anyText, { default: '', meaning: 'name of the owner' }),
  'images': row(listReader(digest, 'list of digests'), { default: [], meaning: 'digests of the images' }),
  'mode': row(mode, { default: 'unset', meaning: 'as the setting of the node, for this workload' }),
  'exclude.inboundPorts': row(listReader(port, 'list of ports'), { default: [], meaning: 'ports of the pod that are NOT protected' }),
  'exclude.outboundPorts': row(listReader(port, 'list of ports'), { default: [], meaning: 'destination ports that are NOT captured' }),
  'exclude.cidrs': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'other ends whose connections are NOT captured, both ways' }),
} as const satisfies Settings

export const sameRows = {
  trustDomain: row(trustDomain, { meaning: 'trust domain of a cluster whose pods count as pods of this one' }),
  cluster: row(name, { meaning: 'name of that cluster' }),
} as const satisfies Settings

export const namespaceRows = {
  labels: row(labels, { default: {}, meaning: `labels of the namespace; ${namespaceNameLabel} is always there` }),
  mode: row(mode, { default: 'unset', meaning: 'as the setting of the node, for the workloads of this namespace' }),
} as const satisfies Settings

export const rows = {
  'node': row(name, { meaning: 'name of this node' }),
  'cluster': row(name, { meaning: 'name of the cluster' }),
  'trustDomain': row(trustDomain, { meaning: 'SPIFFE trust domain of the workloads' }),
  'facts': row(choiceReader(['files', 'kubernetes']), { default: 'files', meaning: 'where workloads and policies are known from: this file and a folder, or an API server' }),
  'authority': row(optionalPath, { default: '', meaning: 'folder of the certificate authority; made on first start; agents may share one; needed unless there is an issuer' }),
  'issuer.url': row(httpsUrl, { default: '', meaning: 'the issuer of the cluster, such as https://liburna-issuer.liburna.svc:8443, instead of an authority' }),
  'issuer.account': row(account, { default: 'liburna/liburna-issuer', meaning: 'namespace and service account that the issuer proves to be' }),
  'issuer.tokenFile': row(path, { default: '/var/run/secrets/liburna.io/issuer/token', meaning: 'token by which this agent proves its node to the issuer' }),
  'issuer.bundleFile': row(path, { default: '/var/run/liburna.io/bundle/bundle.pem', meaning: 'roots that the issuer publishes; followed while the agent runs' }),
  'trust': row(listReader(path, 'list of paths'), { default: [], meaning: 'PEM files with roots of other trust domains' }),
  'policies': row(optionalPath, { default: '', meaning: 'folder of Kubernetes policy YAML; followed while the agent runs; needed with facts: files' }),
  'sameness': row(listReader(mapReader('cluster', sameRows), 'list of clusters'), { default: [], meaning: 'other clusters whose pods standard policies may select as if they were of this one; by default only an AccessPolicy that names them can' }),
  'mode': row(mode, { default: 'unset', meaning: 'how bytes travel between agents: encrypt is mutual TLS 1.3 for the life of the connection; authenticate proves both ends by it, then leaves TLS, and whoever is on the path can read and change the bytes. It is encrypt unless node, namespace or workload says authenticate and none of them encrypt, at both ends, and no policy asks for encrypt' }),
  'discovery': row(choiceReader(['option', 'declared']), { default: 'option', meaning: 'how an agent at the other end is found: by a TCP option (needs BPF), or by the lists below' }),
  'declared.protected': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'with discovery: declared, destinations that have an agent' }),
  'declared.external': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'with discovery: declared, destinations that have none' }),
  'admin.listen': row(parsedReader('ip:port', 'an address such as 127.0.0.1:9901', parseSocketAddress), { default: '127.0.0.1:9901', meaning: 'where /metrics, /healthz and /readyz are; without authentication, so keep it local' }),
  'admin.health': row(optionalPath, { default: '', meaning: 'folder for two files for probes by command: alive, written every second, and ready, there while the agent is ready; none by default' }),
  'metrics.listen': row(parsedReader('ip:port or off', 'an address such as 10.0.0.1:9903, or off', parseMetricsAddress), { default: 'off', meaning: 'where /metrics alone is, for a scraper of another machine; without authentication' }),
  'namespaces': row(recordReader(namespace, mapReader('namespace', namespaceRows), 'map of name to namespace'), { default: {}, meaning: 'what is known of namespaces; followed while the agent runs' }),
  'workloads': row(listReader(mapReader('workload', workloadRows), 'list of workloads'), { default: [], meaning: 'the workloads of this node; followed while the agent runs' }),
  'guard.interfaces': row(listReader(textReader('name', 'a name of an interface such as cni0, or cali*', isInterfacePattern), 'list of names'), { default: [], meaning: 'interfaces of pods on the node: new TCP connections through them of pods that are not captured yet are dropped by a rule of the node that outlives the agent; no such guard by default' }),
  ...settingsUnder('kubernetes', kubernetesSettings),
  'certificates.ttl': row(duration(1000, 30 * 86_400_000), { default: '1h', meaning: 'life of a workload certificate' }),
  'certificates.backdate': row(duration(0, 86_400_000), { default: '5m', meaning: 'how far before its issue a certificate becomes valid, for clocks that are behind' }),
  'certificates.endConnections': row(flagReader, { default: true, meaning: 'close a live connection when a certificate it was opened with ends' }),
  'handshake.timeout': row(duration(100, 300_000), { default: '10s', meaning: 'most time from accepting a connection to the verdict' }),
  'handshake.groups': row(textReader('list', 'names of TLS groups with : between them', text => groupList.test(text)), { default: 'X25519MLKEM768:X25519', meaning: 'TLS key exchange groups, best first; the first default is post-quantum' }),
  'handshake.resume': row(duration(0, 600_000), { default: '10m', meaning: 'how long after a full handshake others of the same two pods may rest on it (TLS 1.3 PSK with a fresh key exchange, in relay threads): certificates are not proven again, policy is judged as always; 0: every handshake is a full one' }),
  'connect.timeout': row(duration(100, 300_000), { default: '10s', meaning: 'most time for dialling a destination' }),
  'relay.kind': row(choiceReader(['auto', 'native', 'streams']), { default: 'auto', meaning: 'what moves the bytes: native threads with epoll and OpenSSL of their own, or the streams of Node, which are slower; auto takes threads where they can be had' }),
  'relay.threads': row(numberReader('number', 0, 256), { default: 0, meaning: 'how many threads move bytes; 0 for one per CPU, but at most 4: each takes some 15 MB, and moves several Gbit/s' }),
  'reuse.uses': row(numberReader('number', 0, 1_000_000), { default: 1000, meaning: 'how many connections a session between two agents may carry after its first, one at a time, of the same pod to the same destination; 0: every connection shakes hands' }),
  'reuse.idle': row(duration(100, 3_600_000), { default: '30s', meaning: 'how long a session waits for the next connection' }),
  'reuse.age': row(duration(1000, 86_400_000), { default: '10m', meaning: 'how old a session may be when another connection begins' }),
  'reuse.ageRewritten': row(duration(0, 3_600_000), { default: '1s', meaning: 'the same where the destination was rewritten on the way (a Service, a load balancer), so that balancing goes on' }),
  'reuse.idlePerPod': row(numberReader('number', 1, 100_000), { default: 64, meaning: 'most sessions of one pod that wait' }),
  'reuse.idlePerNode': row(numberReader('number', 1, 1_000_000), { default: 1024, meaning: 'most sessions of the node that wait' }),
  'limits.connectionsPerPod': row(numberReader('number', 1, 1_000_000), { default: 10_000, meaning: 'open connections of one pod; more are refused' }),
  'limits.handshakesPerPod': row(numberReader('number', 1, 100_000), { default: 1000, meaning: 'connections of one pod that are not decided yet; more are refused' }),
  'shutdown.timeout': row(duration(0, 3_600_000), { default: '5s', meaning: 'how long open connections may finish when the agent stops' }),
  'log.level': row(choiceReader(logLevels), { default: 'info', meaning: 'least level that is logged, to stderr' }),
  'records.path': row(path, { default: 'stdout', meaning: 'where flow records go: stdout, or a file that is appended to' }),
  'attributes.excludedLabels': row(listReader(labelKeyText, 'list of label keys'), { default: [...defaultExcludedLabels], meaning: 'labels that change too often to be signed; no policy can select by them' }),
} as const satisfies Settings

function row<T> (reader: Reader<T>, rest: { default?: unknown, meaning: string }): Setting<T> {
  return { reader, ...rest }
}

function duration (leastMs: number, mostMs: number): Reader<number> {
  return parsedReader('duration', `a duration such as 250ms, 10s or 1h, from ${leastMs} ms to ${mostMs} ms`, text => {
    const ms = parseDuration(text)
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined
  })
}

/** Brackets around an address of either family are right: a manifest that fills in a node's address cannot know which it is. */
function parseMetricsAddress (text: string): SocketAddress | 'off' | undefined {
  return text === 'off' ? 'off' : parseSocketAddress(text.replace(/^\[([0-9.]+)\]/, '$1'))
}

function isLabelKey (text: string): boolean {
  const [first = '', second, ...rest] = text.split('/')
  if (rest.length > 0) return false
  return second === undefined ? first !== '' && labelValue.test(first) : dnsName.test(first) && second !== '' && labelValue.test(second)
}

/** RFC 6335, 5.1, as Kubernetes applies it. */
function isPortName (text: string): boolean {
  return /^(?=.*[a-z])[a-z0-9](?:[a-z0-9]|-(?!-)){0,14}$/.test(text) && !text.endsWith('-')
}
