/**
 * The settings of an agent: one table. What is read, what is refused, what `liburna config --help` prints and what
 * the README lists all come from the rows below. Nothing else is configurable, and nothing is read from the environment.
 */

import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ClusterError, parseYaml, readTextFile } from './cluster/index.ts'
import { defaultExcludedLabels } from './identity/index.ts'
import { parseDuration } from './lib/duration.ts'
import { choiceReader, flagReader, listReader, mapReader, numberReader, parsedReader, readSettings, recordReader, showValue, textReader, unknownKey } from './lib/settings.ts'
import { parseSocketAddress } from './model/address.ts'
import { parseCidr } from './model/cidr.ts'
import { namespaceNameLabel } from './model/labels.ts'
import { isTrustDomain } from './model/spiffe-id.ts'
import { logLevels } from './observe/index.ts'
import type { DirectorySettings, WorkloadSettings, YamlDocument } from './cluster/index.ts'
import type { Reader, Refuse, Setting, Settings, Values, ValuePath } from './lib/settings.ts'
import type { SocketAddress } from './model/address.ts'
import type { Cidr } from './model/cidr.ts'
import type { Log, LogLevel } from './observe/index.ts'

/** The file cannot be used. The message is one line for people: place, key, value, what is expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: 'config-unreadable' | 'config-invalid'

  constructor (message: string, { code, cause }: { code: ConfigError['code'], cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
/** Ciphers' names of OpenSSL, colon between them. */
const groupList = /^[A-Za-z0-9_-]{1,40}(?::[A-Za-z0-9_-]{1,40}){0,9}$/

const name = textReader('name', 'a name of lower-case letters, digits, - and .', text => dnsName.test(text))
const namespace = textReader('name', 'a name of lower-case letters, digits and -, at most 63 long', text => dnsLabel.test(text))
const path = textReader('path', 'a path', text => text !== '' && !text.includes('\0'))
const anyText = textReader('text', 'text', () => true)
const labelKeyText = textReader('label key', 'a label key such as app or example.com/app', isLabelKey)
const labels = recordReader(labelKeyText, textReader('label value', 'a label value of at most 63 letters, digits, -, _ and .', text => labelValue.test(text)), 'labels')
const cidr = parsedReader('CIDR', 'a CIDR such as 10.0.0.0/8', parseCidr)
const port = numberReader('port', 1, 65535)
const ports = recordReader(textReader('port name', 'a port name of at most 15 lower-case letters, digits and -', isPortName), port, 'map of name to port')
const trustDomain = textReader('trust domain', 'a SPIFFE trust domain such as east.example', isTrustDomain)
const digest = textReader('digest', 'an image digest such as sha256:64 hex digits', text => /^sha256:[0-9a-f]{64}$/.test(text))

const workloadRows = {
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
  'exclude.inboundPorts': row(listReader(port, 'list of ports'), { default: [], meaning: 'ports of the pod that are NOT protected' }),
  'exclude.outboundPorts': row(listReader(port, 'list of ports'), { default: [], meaning: 'destination ports that are NOT captured' }),
  'exclude.cidrs': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'other ends whose connections are NOT captured, both ways' }),
} as const satisfies Settings

const sameRows = {
  trustDomain: row(trustDomain, { meaning: 'trust domain of a cluster whose pods count as pods of this one' }),
  cluster: row(name, { meaning: 'name of that cluster' }),
} as const satisfies Settings

const namespaceRows = {
  labels: row(labels, { default: {}, meaning: `labels of the namespace; ${namespaceNameLabel} is always there` }),
} as const satisfies Settings

const rows = {
  'node': row(name, { meaning: 'name of this node' }),
  'cluster': row(name, { meaning: 'name of the cluster' }),
  'trustDomain': row(trustDomain, { meaning: 'SPIFFE trust domain of the workloads' }),
  'authority': row(path, { meaning: 'folder of the certificate authority; made on first start; agents may share one' }),
  'trust': row(listReader(path, 'list of paths'), { default: [], meaning: 'PEM files with roots of other trust domains' }),
  'policies': row(path, { meaning: 'folder of Kubernetes policy YAML; followed while the agent runs' }),
  'sameness': row(listReader(mapReader('cluster', sameRows), 'list of clusters'), { default: [], meaning: 'other clusters whose pods standard policies may select as if they were of this one; by default only an AccessPolicy that names them can' }),
  'mode': row(choiceReader(['encrypt'], ' (authenticate is not there yet)'), { default: 'encrypt', meaning: 'how bytes travel between agents: mutual TLS 1.3 for the life of the connection' }),
  'discovery': row(choiceReader(['option', 'declared']), { default: 'option', meaning: 'how an agent at the other end is found: by a TCP option (needs BPF), or by the lists below' }),
  'declared.protected': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'with discovery: declared, destinations that have an agent' }),
  'declared.external': row(listReader(cidr, 'list of CIDRs'), { default: [], meaning: 'with discovery: declared, destinations that have none' }),
  'admin.listen': row(parsedReader('ip:port', 'an address such as 127.0.0.1:9901', parseSocketAddress), { default: '127.0.0.1:9901', meaning: 'where /metrics, /healthz and /readyz are; without authentication, so keep it local' }),
  'namespaces': row(recordReader(namespace, mapReader('namespace', namespaceRows), 'map of name to namespace'), { default: {}, meaning: 'labels of namespaces; followed while the agent runs' }),
  'workloads': row(listReader(mapReader('workload', workloadRows), 'list of workloads'), { default: [], meaning: 'the workloads of this node; followed while the agent runs' }),
  'certificates.ttl': row(duration(1000, 30 * 86_400_000), { default: '1h', meaning: 'life of a workload certificate' }),
  'certificates.backdate': row(duration(0, 86_400_000), { default: '5m', meaning: 'how far before its issue a certificate becomes valid, for clocks that are behind' }),
  'certificates.endConnections': row(flagReader, { default: true, meaning: 'close a live connection when a certificate it was opened with ends' }),
  'handshake.timeout': row(duration(100, 300_000), { default: '10s', meaning: 'most time from accepting a connection to the verdict' }),
  'handshake.groups': row(textReader('list', 'names of TLS groups with : between them', text => groupList.test(text)), { default: 'X25519MLKEM768:X25519', meaning: 'TLS key exchange groups, best first; the first default is post-quantum' }),
  'connect.timeout': row(duration(100, 300_000), { default: '10s', meaning: 'most time for dialling a destination' }),
  'limits.connectionsPerPod': row(numberReader('number', 1, 1_000_000), { default: 10_000, meaning: 'open connections of one pod; more are refused' }),
  'limits.handshakesPerPod': row(numberReader('number', 1, 100_000), { default: 1000, meaning: 'connections of one pod that are not decided yet; more are refused' }),
  'shutdown.timeout': row(duration(0, 3_600_000), { default: '5s', meaning: 'how long open connections may finish when the agent stops' }),
  'log.level': row(choiceReader(logLevels), { default: 'info', meaning: 'least level that is logged, to stderr' }),
  'records.path': row(path, { default: 'stdout', meaning: 'where flow records go: stdout, or a file that is appended to' }),
  'attributes.excludedLabels': row(listReader(labelKeyText, 'list of label keys'), { default: [...defaultExcludedLabels], meaning: 'labels that change too often to be signed; no policy can select by them' }),
} as const satisfies Settings

/** All settings, frozen. Paths are absolute, times are in ms. */
export interface Config {
  /** Absolute path of the file. */
  readonly file: string
  readonly node: string
  readonly cluster: string
  readonly trustDomain: string
  readonly authority: string
  readonly trust: readonly string[]
  readonly policies: string
  readonly sameness: readonly { readonly trustDomain: string, readonly cluster: string }[]
  readonly mode: 'encrypt'
  readonly discovery: { readonly kind: 'option' } | { readonly kind: 'declared', readonly protected: readonly Cidr[], readonly external: readonly Cidr[] }
  readonly admin: { readonly listen: SocketAddress }
  /** The part that a running agent follows. */
  readonly directory: DirectorySettings
  readonly certificates: { readonly ttlMs: number, readonly backdateMs: number, readonly endConnections: boolean }
  readonly handshake: { readonly timeoutMs: number, readonly groups: string }
  readonly connect: { readonly timeoutMs: number }
  readonly limits: { readonly connectionsPerPod: number, readonly handshakesPerPod: number }
  readonly shutdown: { readonly timeoutMs: number }
  readonly log: { readonly level: LogLevel }
  /** `stdout` or an absolute path. */
  readonly records: { readonly path: string }
  readonly attributes: { readonly excludedLabels: readonly string[] }
}

/** A line of the table, for help and README. */
export interface SettingLine {
  readonly name: string
  readonly kind: string
  /** As it would be written; `required` when there is none. */
  readonly default: string
  readonly meaning: string
}

/** Every setting in the order of the table; those of a workload or namespace after it, as `workloads[].netns`. */
export function settingLines (): SettingLine[] {
  return [...linesOf(rows, ''), ...linesOf(sameRows, 'sameness[].'), ...linesOf(namespaceRows, 'namespaces.NAME.'), ...linesOf(workloadRows, 'workloads[].')]
}

/** Reads and checks the file. Throws ConfigError; nothing has been started then. */
export function loadConfig (file: string): Config {
  const absolute = resolve(file)
  try {
    return parseConfig(readTextFile(absolute), absolute)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    throw new ConfigError(error.message, { code: error.code === 'file-unreadable' ? 'config-unreadable' : 'config-invalid', cause: error.cause })
  }
}

/** As `loadConfig`, for a text. `file` names it in messages, and relative paths start from its folder. */
export function parseConfig (text: string, file: string): Config {
  const [document, more] = parseYaml(text, file)
  if (document === undefined || more !== undefined) throw new ConfigError(`${file}:1: expected one YAML document with settings`, { code: 'config-invalid' })
  const refuse = refuser(file, document)
  if (typeof document.value !== 'object' || Array.isArray(document.value)) refuse([], document.value, 'a map of settings')
  const values = readSettings(rows, document.value, [], refuse)
  checkTogether(values, document.value, refuse)
  return freeze(toConfig(values, file))
}

/**
 * Reads the file of `config` again for the part that a running agent follows. Settings that changed but are only read
 * at the start are logged, once for each state of the file.
 */
export function followConfig (config: Config, log: Log): () => DirectorySettings {
  let latest = config
  return () => {
    const fresh = loadConfig(config.file)
    const waiting = differences(config, fresh)
    if (waiting.length > 0 && differences(latest, fresh).length > 0) log.warn('changed settings need a restart of the agent', { settings: waiting })
    latest = fresh
    return fresh.directory
  }
}

function differences (a: Config, b: Config): string[] {
  // The keys are those of the type, by construction in toConfig.
  return (Object.keys(a) as (keyof Config)[]).filter(key => key !== 'directory' && !isDeepStrictEqual(a[key], b[key]))
}

function row<T> (reader: Reader<T>, rest: { default?: unknown, meaning: string }): Setting<T> {
  return { reader, ...rest }
}

function duration (leastMs: number, mostMs: number): Reader<number> {
  return parsedReader('duration', `a duration such as 250ms, 10s or 1h, from ${leastMs} ms to ${mostMs} ms`, text => {
    const ms = parseDuration(text)
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined
  })
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

function linesOf (settings: Settings, prefix: string): SettingLine[] {
  return Object.entries(settings).map(([name, { reader, default: value, meaning }]) => {
    return { name: prefix + name, kind: reader.kind, default: value === undefined ? 'required' : typeof value === 'string' && value !== '' ? value : JSON.stringify(value), meaning }
  })
}

function refuser (file: string, document: YamlDocument): Refuse {
  return (path, value, expected) => {
    const key = path.length === 0 ? 'the file' : path.map((part, i) => typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${part}`).join('')
    const problem = value === unknownKey ? `${key} is not a setting; ${expected}` : value === undefined ? `${key} is missing; expected ${expected}` : `${key} is ${showValue(value)}; expected ${expected}`
    throw new ConfigError(`${file}:${document.lineOf(path)}: ${problem}`, { code: 'config-invalid' })
  }
}

/** What no row alone can see. */
function checkTogether (values: Values<typeof rows>, written: unknown, refuse: Refuse): void {
  refuseTwice(values.workloads.map(workload => `${workload.namespace}/${workload.name}`), 'name', 'a name that no other workload of its namespace has', refuse)
  refuseTwice(values.workloads.map(workload => workload.netns), 'netns', 'a network namespace of its own', refuse)
  if (values.discovery === 'option' && typeof written === 'object' && written !== null && 'declared' in written) {
    refuse(['declared'], written.declared, 'nothing here unless discovery is declared')
  }
  for (const [name, { labels }] of Object.entries(values.namespaces)) {
    const label = labels[namespaceNameLabel] ?? name
    if (label !== name) refuse(['namespaces', name, 'labels', namespaceNameLabel], label, `${showValue(name)}, or leave it out`)
  }
}

function refuseTwice (names: readonly string[], key: string, expected: string, refuse: Refuse): void {
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i)
  if (twice !== -1) refuse(['workloads', twice, key], names[twice], expected)
}

function toConfig (values: Values<typeof rows>, file: string): Config {
  const at = (path: string): string => resolve(dirname(file), path)
  return {
    file,
    node: values.node, cluster: values.cluster, trustDomain: values.trustDomain, mode: values.mode,
    authority: at(values.authority), trust: values.trust.map(at), policies: at(values.policies), sameness: values.sameness,
    discovery: values.discovery === 'option' ? { kind: 'option' } : { kind: 'declared', protected: values['declared.protected'], external: values['declared.external'] },
    admin: { listen: values['admin.listen'] },
    directory: {
      namespaces: Object.fromEntries(Object.entries(values.namespaces).map(([name, { labels }]) => [name, labels])),
      workloads: values.workloads.map(workload => toWorkload(workload, at)),
    },
    certificates: { ttlMs: values['certificates.ttl'], backdateMs: values['certificates.backdate'], endConnections: values['certificates.endConnections'] },
    handshake: { timeoutMs: values['handshake.timeout'], groups: values['handshake.groups'] },
    connect: { timeoutMs: values['connect.timeout'] },
    limits: { connectionsPerPod: values['limits.connectionsPerPod'], handshakesPerPod: values['limits.handshakesPerPod'] },
    shutdown: { timeoutMs: values['shutdown.timeout'] },
    log: { level: values['log.level'] },
    records: { path: values['records.path'] === 'stdout' ? 'stdout' : at(values['records.path']) },
    attributes: { excludedLabels: values['attributes.excludedLabels'] },
  }
}

function toWorkload (values: Values<typeof workloadRows>, at: (path: string) => string): WorkloadSettings {
  const { netns, namespace, name, serviceAccount, uid, labels, ports, images } = values
  const owner = values['owner.name'] === '' ? undefined : { kind: values['owner.kind'], name: values['owner.name'] }
  return {
    netns: netns.includes('/') ? at(netns) : netns,
    namespace, name, serviceAccount, uid, labels, owner, images,
    ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 'TCP' })),
    exclude: { inboundPorts: values['exclude.inboundPorts'], outboundPorts: values['exclude.outboundPorts'], cidrs: values['exclude.cidrs'] },
  }
}

function freeze<T> (value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
