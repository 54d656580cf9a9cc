/**
 * The settings of an agent: one table. What is read, what is refused, what `liburna config --help` prints and what
 * the README lists all come from the rows of config-rows.ts. Nothing else is configurable, and nothing is read from the environment.
 */

import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ClusterError, kubernetesSettings, parseYaml, readTextFile } from './cluster/index.ts'
import { namespaceRows, rows, sameRows, workloadRows } from './config-rows.ts'
import { linesOf, problemOf, readSettings, showValue, valuesUnder } from './lib/settings.ts'
import { namespaceNameLabel } from './model/labels.ts'
import type { DirectorySettings, KubernetesSettings, WorkloadSettings, YamlDocument } from './cluster/index.ts'
import type { Refuse, SettingLine, Values } from './lib/settings.ts'
import type { SocketAddress } from './model/address.ts'
import type { Cidr } from './model/cidr.ts'
import type { AskedMode } from './model/mode.ts'
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

/** Where certificates come from when there is no authority of our own. */
export interface IssuerConfig {
  readonly url: string
  /** `namespace/name` */
  readonly account: string
  readonly tokenFile: string
  readonly bundleFile: string
}

/** Settings of the command line: they count instead of what the file says. */
export interface GivenSettings {
  readonly node?: string
  /** `kubernetes.server` */
  readonly apiServer?: string
  /** `issuer.url` */
  readonly issuer?: string
  /** `metrics.listen` */
  readonly metrics?: string
  /** `kubernetes.namespace` */
  readonly namespace?: string
}

/** All settings, frozen. Paths are absolute, times are in ms. */
export interface Config {
  /** Absolute path of the file. */
  readonly file: string
  readonly given: GivenSettings
  readonly node: string
  readonly cluster: string
  readonly trustDomain: string
  /** Absolute path; empty where there is an issuer. */
  readonly authority: string
  readonly issuer: IssuerConfig | undefined
  readonly trust: readonly string[]
  /** Absolute path; empty where facts come from an API server. */
  readonly policies: string
  /** The API server that facts come from, if they do. */
  readonly kubernetes: KubernetesSettings | undefined
  readonly sameness: readonly { readonly trustDomain: string, readonly cluster: string }[]
  readonly mode: AskedMode
  readonly discovery: { readonly kind: 'option' } | { readonly kind: 'declared', readonly protected: readonly Cidr[], readonly external: readonly Cidr[] }
  /** `health` is a folder, or empty. */
  readonly admin: { readonly listen: SocketAddress, readonly health: string }
  /** Where /metrics alone is; `off` for nowhere. */
  /** None: there is no host guard. */
  readonly guard: { readonly interfaces: readonly string[] }
  readonly metrics: { readonly listen: SocketAddress | 'off' }
  /** The part that a running agent follows. */
  readonly directory: DirectorySettings
  readonly certificates: { readonly ttlMs: number, readonly backdateMs: number, readonly endConnections: boolean }
  readonly handshake: { readonly timeoutMs: number, readonly groups: string, readonly resumeForMs: number }
  readonly connect: { readonly timeoutMs: number }
  readonly relay: { readonly kind: 'auto' | 'native' | 'streams', readonly threads: number }
  readonly reuse: { readonly uses: number, readonly idleMs: number, readonly ageMs: number, readonly rewrittenAgeMs: number, readonly perPod: number, readonly perNode: number }
  readonly limits: { readonly connectionsPerPod: number, readonly handshakesPerPod: number }
  readonly shutdown: { readonly timeoutMs: number }
  readonly log: { readonly level: LogLevel }
  /** `stdout` or an absolute path. */
  readonly records: { readonly path: string }
  readonly attributes: { readonly excludedLabels: readonly string[] }
}

/** Every setting in the order of the table; those of a workload or namespace after it, as `workloads[].netns`. */
export function settingLines (): SettingLine[] {
  return [...linesOf(rows, ''), ...linesOf(sameRows, 'sameness[].'), ...linesOf(namespaceRows, 'namespaces.NAME.'), ...linesOf(workloadRows, 'workloads[].')]
}

/** Reads and checks the file. Throws ConfigError; nothing has been started then. */
export function loadConfig (file: string, given: GivenSettings = {}): Config {
  const absolute = resolve(file)
  try {
    return parseConfig(readTextFile(absolute), absolute, given)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    throw new ConfigError(error.message, { code: error.code === 'file-unreadable' ? 'config-unreadable' : 'config-invalid', cause: error.cause })
  }
}

/** As `loadConfig`, for a text. `file` names it in messages, and relative paths start from its folder. */
export function parseConfig (text: string, file: string, given: GivenSettings = {}): Config {
  const [document, more] = parseYaml(text, file)
  if (document === undefined || more !== undefined) throw new ConfigError(`${file}:1: expected one YAML document with settings`, { code: 'config-invalid' })
  const refuse = refuser(file, document)
  if (typeof document.value !== 'object' || document.value === null || Array.isArray(document.value)) return refuse([], document.value, 'a map of settings')
  const written = withGiven(document.value, given)
  const values = readSettings(rows, written, [], refuse)
  checkTogether(values, written, refuse)
  return freeze({ ...toConfig(values, file), given })
}

/**
 * Reads the file of `config` again for the part that a running agent follows. Settings that changed but are only read
 * at the start are logged, once for each state of the file.
 */
export function followConfig (config: Config, log: Log): () => DirectorySettings {
  let latest = config
  return () => {
    const fresh = loadConfig(config.file, config.given)
    const waiting = differences(config, fresh)
    if (waiting.length > 0 && differences(latest, fresh).length > 0) log.warn('changed settings need a restart of the agent', { settings: waiting })
    latest = fresh
    return fresh.directory
  }
}

function withGiven (written: object, { node, apiServer, issuer, metrics, namespace }: GivenSettings): object {
  const under = (key: string, inner: object): object => {
    const former: unknown = Reflect.get(written, key)
    return { [key]: typeof former === 'object' && former !== null ? { ...former, ...inner } : inner }
  }
  return {
    ...written, ...node !== undefined && { node },
    ...(apiServer !== undefined || namespace !== undefined) && under('kubernetes', { ...apiServer !== undefined && { server: apiServer }, ...namespace !== undefined && { namespace } }),
    ...issuer !== undefined && under('issuer', { url: issuer }),
    ...metrics !== undefined && under('metrics', { listen: metrics }),
  }
}

function differences (a: Config, b: Config): string[] {
  // The keys are those of the type, by construction in toConfig.
  return (Object.keys(a) as (keyof Config)[]).filter(key => key !== 'directory' && !isDeepStrictEqual(a[key], b[key]))
}

function refuser (file: string, document: YamlDocument): Refuse {
  return (path, value, expected) => {
    throw new ConfigError(`${file}:${document.lineOf(path)}: ${problemOf(path, value, expected)}`, { code: 'config-invalid' })
  }
}

/** What no row alone can see. */
function checkTogether (values: Values<typeof rows>, written: unknown, refuse: Refuse): void {
  if (values['issuer.url'] === '' && values.authority === '') refuse(['authority'], undefined, 'a path')
  if (values['issuer.url'] !== '' && values.authority !== '') refuse(['authority'], values.authority, 'nothing here beside an issuer')
  checkFacts(values, refuse)
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

function checkFacts (values: Values<typeof rows>, refuse: Refuse): void {
  if (values.facts === 'files') {
    if (values.policies === '') refuse(['policies'], undefined, 'a path')
    return
  }
  if (values.policies !== '') refuse(['policies'], values.policies, 'nothing here with facts: kubernetes')
  if (values.workloads.length > 0) refuse(['workloads'], values.workloads.length, 'nothing here with facts: kubernetes')
  const [server, kubeconfig] = [values['kubernetes.server'], values['kubernetes.kubeconfig']]
  if ((server === '') === (kubeconfig === '')) refuse(['kubernetes', 'server'], server, 'a server or a kubeconfig, and not both')
}

function refuseTwice (names: readonly string[], key: string, expected: string, refuse: Refuse): void {
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i)
  if (twice !== -1) refuse(['workloads', twice, key], names[twice], expected)
}

function toConfig (values: Values<typeof rows>, file: string): Omit<Config, 'given'> {
  const at = (path: string): string => resolve(dirname(file), path)
  const atOrNone = (path: string): string => path === '' ? '' : at(path)
  return {
    file,
    node: values.node, cluster: values.cluster, trustDomain: values.trustDomain, mode: values.mode,
    authority: atOrNone(values.authority), issuer: issuerOf(values, at), trust: values.trust.map(at), sameness: values.sameness,
    policies: atOrNone(values.policies), kubernetes: values.facts === 'kubernetes' ? toKubernetes(values, atOrNone) : undefined,
    discovery: values.discovery === 'option' ? { kind: 'option' } : { kind: 'declared', protected: values['declared.protected'], external: values['declared.external'] },
    admin: { listen: values['admin.listen'], health: atOrNone(values['admin.health']) },
    metrics: { listen: values['metrics.listen'] },
    guard: { interfaces: values['guard.interfaces'] },
    directory: {
      namespaces: values.namespaces,
      workloads: values.workloads.map(workload => toWorkload(workload, at)),
    },
    certificates: { ttlMs: values['certificates.ttl'], backdateMs: values['certificates.backdate'], endConnections: values['certificates.endConnections'] },
    handshake: { timeoutMs: values['handshake.timeout'], groups: values['handshake.groups'], resumeForMs: values['handshake.resume'] },
    connect: { timeoutMs: values['connect.timeout'] },
    relay: { kind: values['relay.kind'], threads: values['relay.threads'] },
    reuse: {
      uses: values['reuse.uses'], idleMs: values['reuse.idle'], ageMs: values['reuse.age'], rewrittenAgeMs: values['reuse.ageRewritten'],
      perPod: values['reuse.idlePerPod'], perNode: values['reuse.idlePerNode'],
    },
    limits: { connectionsPerPod: values['limits.connectionsPerPod'], handshakesPerPod: values['limits.handshakesPerPod'] },
    shutdown: { timeoutMs: values['shutdown.timeout'] },
    log: { level: values['log.level'] },
    records: { path: values['records.path'] === 'stdout' ? 'stdout' : at(values['records.path']) },
    attributes: { excludedLabels: values['attributes.excludedLabels'] },
  }
}

function toKubernetes (values: Values<typeof rows>, at: (path: string) => string): KubernetesSettings {
  const settings = valuesUnder('kubernetes', kubernetesSettings, values)
  return { ...settings, 'kubeconfig': at(settings.kubeconfig), 'serviceAccount': at(settings.serviceAccount), 'nri.socket': at(settings['nri.socket']) }
}

function issuerOf (values: Values<typeof rows>, at: (path: string) => string): IssuerConfig | undefined {
  if (values['issuer.url'] === '') return undefined
  return { url: values['issuer.url'], account: values['issuer.account'], tokenFile: at(values['issuer.tokenFile']), bundleFile: at(values['issuer.bundleFile']) }
}

function toWorkload (values: Values<typeof workloadRows>, at: (path: string) => string): WorkloadSettings {
  const { netns, namespace, name, serviceAccount, uid, labels, ports, images, mode } = values
  const owner = values['owner.name'] === '' ? undefined : { kind: values['owner.kind'], name: values['owner.name'] }
  return {
    netns: netns.includes('/') ? at(netns) : netns,
    namespace, name, serviceAccount, uid, labels, owner, images, mode,
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
