/** The settings of an issuer: one table, as `config.ts` is for an agent. */

import { dirname, resolve } from 'node:path'
import { ClusterError, kubernetesSettings, parseYaml, readTextFile } from './cluster/index.ts'
import { defaultExcludedLabels } from './identity/index.ts'
import { parseDuration } from './lib/duration.ts'
import { choiceReader, linesOf, listReader, mapReader, numberReader, parsedReader, problemOf, readSettings, textReader } from './lib/settings.ts'
import { parseSocketAddress } from './model/address.ts'
import { isTrustDomain } from './model/spiffe-id.ts'
import { logLevels } from './observe/index.ts'
import type { CredentialSettings, YamlDocument } from './cluster/index.ts'
import type { Relationship } from './issuer/index.ts'
import type { Reader, Refuse, Setting, SettingLine, Settings, Values } from './lib/settings.ts'
import type { SocketAddress } from './model/address.ts'
import type { LogLevel } from './observe/index.ts'

/** The file cannot be used; the message is one line with place, key, value and what is expected. */
export class IssuerConfigError extends Error {
  override readonly name = 'IssuerConfigError'
  readonly code: 'config-unreadable' | 'config-invalid'

  constructor (message: string, { code, cause }: { code: IssuerConfigError['code'], cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const name = textReader('name', 'a name of lower-case letters, digits, - and .', text => dnsName.test(text))
const namespace = textReader('name', 'a name of lower-case letters, digits and -, at most 63 long', text => dnsLabel.test(text))
const account = textReader('namespace/name', 'a service account such as liburna/liburna-agent', text => /^[^/]+\/[^/]+$/.test(text) && text.split('/').every(part => dnsName.test(part)))
const trustDomain = textReader('trust domain', 'a SPIFFE trust domain such as east.example', isTrustDomain)
const listen = parsedReader('ip:port', 'an address such as 0.0.0.0:8443', parseSocketAddress)
const anyPath = textReader('path', 'a path', text => !text.includes('\0'))
const url = textReader('URL', 'a URL with https and without a user', text => text === '' || isHttps(text))
const labelKey = textReader('label key', 'a label key such as app or example.com/app', text => /^[A-Za-z0-9._/-]{1,317}$/.test(text))

const federationRows = {
  'trustDomain': row(trustDomain, { meaning: 'trust domain that is believed besides our own' }),
  'url': row(url, { default: '', meaning: 'its bundle endpoint; empty when there is only a file' }),
  'profile': row(choiceReader(['https_spiffe', 'https_web']), { default: 'https_spiffe', meaning: 'who the endpoint is: the SPIFFE ID below, or whoever the authorities of the web say' }),
  'endpointId': row(textReader('SPIFFE ID', 'a SPIFFE ID', text => text === '' || /^spiffe:\/\/[a-z0-9._-]+(?:\/[A-Za-z0-9._-]+)+$/.test(text)), { default: '', meaning: 'SPIFFE ID of the endpoint, of the same trust domain; with https_spiffe' }),
  'file': row(anyPath, { default: '', meaning: 'bundle to begin with (JWK Set or PEM); needed with https_spiffe and without a URL, then followed' }),
  'caFile': row(anyPath, { default: '', meaning: 'with https_web, PEM of authorities in place of those of the web' }),
} as const satisfies Settings

const { server, kubeconfig, serviceAccount } = kubernetesSettings

const rows = {
  'cluster': row(name, { meaning: 'name of the cluster, signed into every certificate' }),
  'trustDomain': row(trustDomain, { meaning: 'SPIFFE trust domain that this issuer speaks for' }),
  'namespace': row(namespace, { default: 'liburna', meaning: 'namespace of the issuer, of its Secrets and of the bundle' }),
  'serviceAccount': row(name, { default: 'liburna-issuer', meaning: 'service account of the issuer; the last part of its own SPIFFE ID, which no workload is given' }),
  'agents': row(listReader(account, 'list of service accounts'), { default: ['liburna/liburna-agent'], meaning: 'service accounts whose pods may ask for certificates' }),
  'audience': row(textReader('text', 'text', text => text !== ''), { default: 'liburna-issuer', meaning: 'audience that an agent\'s token must be for' }),
  'listen': row(listen, { default: '0.0.0.0:8443', meaning: 'where agents ask, HTTPS' }),
  'bundle.listen': row(listen, { default: '0.0.0.0:8444', meaning: 'SPIFFE bundle endpoint /bundle.json, HTTPS; may be shown to other clusters' }),
  'bundle.configMap': row(name, { default: 'liburna-bundle', meaning: 'ConfigMap with the roots: bundle.pem for agents, bundle.json as at the endpoint' }),
  'bundle.refreshHint': row(duration(10_000, 86_400_000), { default: '5m', meaning: 'how often other trust domains shall ask for our bundle' }),
  'health.listen': row(listen, { default: '0.0.0.0:9902', meaning: 'where /healthz, /readyz and /metrics are, HTTP' }),
  'authority.kind': row(choiceReader(['generated', 'given']), { default: 'generated', meaning: 'who makes the keys: the issuer, or somebody else (an operator, cert-manager) who writes the signer\'s Secret' }),
  'authority.signerSecret': row(name, { default: 'liburna-issuer-signer', meaning: 'Secret with what signs: tls.key, tls.crt, ca.crt' }),
  'authority.rootsSecret': row(name, { default: 'liburna-issuer-roots', meaning: 'Secret with the roots, and with their keys when they are generated' }),
  'authority.rootLife': row(duration(3_600_000, 20 * 366 * 86_400_000), { default: '43800h', meaning: 'life of a generated root' }),
  'authority.signerLife': row(duration(600_000, 366 * 86_400_000), { default: '720h', meaning: 'life of a generated signer; it is replaced at half of it, and nothing that it signs outlives it' }),
  'authority.lead': row(duration(0, 366 * 86_400_000), { default: '30m', meaning: 'how long a new root is in the bundle before it signs; at least three times bundle.refreshHint' }),
  'certificates.mostTtl': row(duration(60_000, 30 * 86_400_000), { default: '24h', meaning: 'longest life of a workload certificate' }),
  'certificates.backdate': row(duration(0, 86_400_000), { default: '5m', meaning: 'how far before its issue a certificate becomes valid, for clocks that are behind' }),
  'limits.requests': row(numberReader('number', 1, 100_000), { default: 256, meaning: 'requests at once' }),
  'limits.nodePerSecond': row(numberReader('number', 0.1, 100_000, { whole: false }), { default: 50, meaning: 'certificates of one node each second, on average' }),
  'limits.nodeBurst': row(numberReader('number', 1, 100_000), { default: 1000, meaning: 'certificates of one node at once, after a pause' }),
  'federation': row(listReader(mapReader('trust domain', federationRows), 'list of trust domains'), { default: [], meaning: 'other trust domains whose workloads are believed' }),
  'attributes.excludedLabels': row(listReader(labelKey, 'list of label keys'), { default: [...defaultExcludedLabels], meaning: 'labels that are not signed; as in node.yaml' }),
  'kubernetes.server': row(server.reader, { default: 'https://kubernetes.default.svc', meaning: 'URL of the API server, for a pod with a service account' }),
  'kubernetes.kubeconfig': kubeconfig,
  'kubernetes.serviceAccount': serviceAccount,
  'log.level': row(choiceReader(logLevels), { default: 'info', meaning: 'least level that is logged, to stderr' }),
} as const satisfies Settings

/** All settings. Paths are absolute, times are in ms. */
export interface IssuerConfig {
  readonly cluster: string
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly agents: readonly string[]
  readonly audience: string
  readonly listen: SocketAddress
  readonly bundle: { readonly listen: SocketAddress, readonly configMap: string, readonly refreshHintMs: number }
  readonly health: { readonly listen: SocketAddress }
  readonly authority: { readonly kind: 'generated' | 'given', readonly signerSecret: string, readonly rootsSecret: string, readonly rootLifeMs: number, readonly signerLifeMs: number, readonly leadMs: number }
  readonly certificates: { readonly mostTtlMs: number, readonly backdateMs: number }
  readonly limits: { readonly requests: number, readonly nodePerSecond: number, readonly nodeBurst: number }
  readonly federation: readonly Relationship[]
  readonly attributes: { readonly excludedLabels: readonly string[] }
  readonly kubernetes: CredentialSettings
  readonly log: { readonly level: LogLevel }
}

export function issuerSettingLines (): readonly SettingLine[] {
  return [...linesOf(rows, ''), ...linesOf(federationRows, 'federation[].')]
}

/** Reads and checks the file. Throws IssuerConfigError; nothing has been started then. */
export function loadIssuerConfig (file: string): IssuerConfig {
  const absolute = resolve(file)
  try {
    return parseIssuerConfig(readTextFile(absolute), absolute)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    throw new IssuerConfigError(error.message, { code: error.code === 'file-unreadable' ? 'config-unreadable' : 'config-invalid', cause: error.cause })
  }
}

/** As `loadIssuerConfig`, for a text. `file` names it in messages, and relative paths start from its folder. */
export function parseIssuerConfig (text: string, file: string): IssuerConfig {
  const [document, more] = parseYaml(text, file)
  if (document === undefined || more !== undefined) throw new IssuerConfigError(`${file}:1: expected one YAML document with settings`, { code: 'config-invalid' })
  const refuse = refuser(file, document)
  if (typeof document.value !== 'object' || Array.isArray(document.value)) refuse([], document.value, 'a map of settings')
  const values = readSettings(rows, document.value, [], refuse)
  checkTogether(values, refuse)
  return toConfig(values, path => path === '' ? '' : resolve(dirname(file), path))
}

/** What no row alone can see. */
function checkTogether (values: Values<typeof rows>, refuse: Refuse): void {
  const { 'authority.rootLife': rootMs, 'authority.signerLife': signerMs, 'authority.lead': leadMs, 'bundle.refreshHint': hintMs, 'certificates.mostTtl': ttlMs } = values
  if (leadMs < 3 * hintMs) refuse(['authority', 'lead'], `${leadMs / 1000}s`, `at least three times bundle.refreshHint, ${3 * hintMs / 1000}s`)
  if (rootMs < 2 * (signerMs + leadMs)) refuse(['authority', 'rootLife'], `${rootMs / 1000}s`, 'at least twice signerLife and lead together')
  if (signerMs < 2 * ttlMs) refuse(['authority', 'signerLife'], `${signerMs / 1000}s`, 'at least twice certificates.mostTtl')
  values.federation.forEach(({ url, profile, endpointId, file, trustDomain }, i) => {
    if (trustDomain === values.trustDomain) refuse(['federation', i, 'trustDomain'], trustDomain, 'another trust domain than our own')
    if (values.federation.findIndex(other => other.trustDomain === trustDomain) !== i) refuse(['federation', i, 'trustDomain'], trustDomain, 'a trust domain that is not listed before')
    if (url === '' && file === '') refuse(['federation', i], undefined, 'a url or a file')
    if (url !== '' && profile === 'https_spiffe' && !endpointId.startsWith(`spiffe://${trustDomain}/`)) refuse(['federation', i, 'endpointId'], endpointId, `a SPIFFE ID of ${trustDomain}`)
    if (url !== '' && profile === 'https_spiffe' && file === '') refuse(['federation', i, 'file'], file, 'a bundle to begin with')
  })
}

function toConfig (values: Values<typeof rows>, at: (path: string) => string): IssuerConfig {
  const { cluster, trustDomain, namespace, serviceAccount, agents, audience, listen } = values
  return {
    cluster, trustDomain, namespace, serviceAccount, agents, audience, listen,
    bundle: { listen: values['bundle.listen'], configMap: values['bundle.configMap'], refreshHintMs: values['bundle.refreshHint'] },
    health: { listen: values['health.listen'] },
    authority: {
      kind: values['authority.kind'], signerSecret: values['authority.signerSecret'], rootsSecret: values['authority.rootsSecret'],
      rootLifeMs: values['authority.rootLife'], signerLifeMs: values['authority.signerLife'], leadMs: values['authority.lead'],
    },
    certificates: { mostTtlMs: values['certificates.mostTtl'], backdateMs: values['certificates.backdate'] },
    limits: { requests: values['limits.requests'], nodePerSecond: values['limits.nodePerSecond'], nodeBurst: values['limits.nodeBurst'] },
    federation: values.federation.map(({ url, file, caFile, ...rest }) => ({ ...rest, url: url === '' ? undefined : url, file: at(file), caFile: at(caFile) })),
    attributes: { excludedLabels: values['attributes.excludedLabels'] },
    kubernetes: { server: values['kubernetes.server'], kubeconfig: at(values['kubernetes.kubeconfig']), serviceAccount: values['kubernetes.serviceAccount'] },
    log: { level: values['log.level'] },
  }
}

function row<T> (reader: Reader<T>, rest: { default?: unknown, meaning: string }): Setting<T> {
  return { reader, ...rest }
}

function duration (leastMs: number, mostMs: number): Reader<number> {
  return parsedReader('duration', `a duration such as 10s or 1h, from ${leastMs} ms to ${mostMs} ms`, text => {
    const ms = parseDuration(text)
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined
  })
}

function isHttps (text: string): boolean {
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  return parsed !== undefined && parsed.protocol === 'https:' && parsed.username === '' && parsed.password === ''
}

function refuser (file: string, document: YamlDocument): Refuse {
  return (path, value, expected) => {
    throw new IssuerConfigError(`${file}:${document.lineOf(path)}: ${problemOf(path, value, expected)}`, { code: 'config-invalid' })
  }
}
