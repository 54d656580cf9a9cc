/** The parts of an agent, each opened as the settings say and ended with the agent. */

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { removeHostGuard, startDiscovery } from './capture/index.ts'
import { Directory, reportFailures } from './cluster/index.ts'
import { followConfig } from './config.ts'
import { FileTrust, openAuthority, rootFileName } from './identity/index.ts'
import { declaredPeering, HostGuard, KubernetesNode, optionPeering } from './node/index.ts'
import { createLog, FileSink, FlowRecorder, Metrics, Readiness } from './observe/index.ts'
import { NativeTransport, StreamTransport, whyNotNative } from './relay/index.ts'
import { Netns } from './sys/index.ts'
import type { AdminView } from './admin/index.ts'
import type { ClusterSource } from './cluster/index.ts'
import type { Config, IssuerConfig } from './config.ts'
import type { Issuer, TrustSource } from './identity/index.ts'
import type { Clock, Timer } from './lib/clock.ts'
import type { HostGuardParts, Peering } from './node/index.ts'
import type { Log } from './observe/index.ts'
import type { Transport } from './relay/index.ts'

/** What cannot be had for the settings as they are. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly code = 'cannot-start'
}

/** What tells of the agent. */
export interface Observation {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly recorder: FlowRecorder
  readonly recordSink: FileSink
}

/** What all parts are given. */
export interface Opening {
  readonly clock: Clock
  /** Ends what has been opened, the last first. */
  readonly started: AsyncDisposableStack
}

/** What the agent tells of itself; the sinks are the last to close. */
export function openObservation (config: Config, version: string, { clock, started }: Opening): Observation {
  const logSink = new FileSink(2)
  const recordSink = new FileSink(config.records.path === 'stdout' ? 1 : config.records.path)
  started.defer(async () => { await Promise.all([logSink.close(), recordSink.close()]) })
  const log = createLog(logSink, { level: config.log.level, fields: { node: config.node } })
  const metrics = new Metrics({ version, node: config.node })
  metrics.watchSink('log', logSink)
  metrics.watchSink('records', recordSink)
  return { log, metrics, readiness: new Readiness(), recordSink, recorder: new FlowRecorder({ node: config.node, sink: recordSink, log, metrics, clock }) }
}

/** What the admin server shows until the agent runs. Changed in place when it does. */
export function startingView (config: Config, version: string, { readiness, recorder, metrics }: Observation): AdminView {
  return {
    about: { node: config.node, cluster: config.cluster, version },
    readiness: () => readiness.status(),
    metrics: () => metrics.text(),
    flows: () => recorder.recent(),
    facts: () => ({}),
    dumps: { connections: () => [], policies: () => [], workloads: () => [] },
  }
}

/** Who signs certificates, and whom we believe. */
export interface Credence {
  readonly issuer: Issuer
  readonly trust: TrustSource
}

/** An authority of our own, or the issuer of the cluster. */
export async function openCredence (config: Config, log: Log, opening: Opening): Promise<Credence> {
  const { trustDomain, issuer, authority } = config
  if (issuer !== undefined) return await openIssuer(issuer, config, log, opening)
  const own = openAuthority(authority, { trustDomain, clock: opening.clock, excludedLabels: config.attributes.excludedLabels, backdateMs: config.certificates.backdateMs })
  return { issuer: own, trust: openTrust([join(authority, rootFileName), ...config.trust], log, opening) }
}

async function openIssuer ({ url, account, tokenFile, bundleFile }: IssuerConfig, { trustDomain, trust: further }: Config, log: Log, opening: Opening): Promise<Credence> {
  const { RemoteIssuer } = await import('./issuer/index.ts') // it brings an HTTP client of 8 MB
  const [namespace = '', serviceAccount = ''] = account.split('/')
  const trust = openTrust([bundleFile, ...further], log, opening)
  return { issuer: opening.started.use(new RemoteIssuer({ url, tokenFile, spiffeId: { trustDomain, namespace, serviceAccount } }, trust, opening.clock)), trust }
}

/** How often the files of trusted roots are read again, ms. */
const trustPollMs = 10_000

/** The roots of all files, followed: a root that is taken away ends the connections that it vouched for. */
function openTrust (files: readonly string[], log: Log, { clock, started }: Opening): FileTrust {
  const trust = new FileTrust(files, clock)
  for (const problem of trust.warnings) log.warn('a trusted root is not valid now', { problem })
  let timer: Timer | undefined
  const follow = (): void => {
    const reload = trust.reload()
    if (!reload.ok) log.error('trusted roots cannot be read; the former ones stay trusted', { error: reload.error })
    else if (reload.changed) log.warn('trusted roots have changed', { trustDomains: trust.bundles().trustDomains })
    timer = clock.after(trustPollMs, follow)
  }
  timer = clock.after(trustPollMs, follow)
  started.defer(() => { timer?.cancel() })
  return trust
}

/** Where facts come from; in a cluster also the node that they are about. */
export interface Facts {
  readonly source: ClusterSource
  readonly kubernetes: KubernetesNode | undefined
}

/** Resolves when everything is known; with an API server that may take as long as it is away. */
export async function openFacts (config: Config, observation: Observation, { clock, started }: Opening): Promise<Facts> {
  const kubernetes = config.kubernetes === undefined ? undefined : await KubernetesNode.open({ ...config, settings: config.kubernetes }, { ...observation, clock })
  if (kubernetes !== undefined) started.use(kubernetes)
  const source = kubernetes?.source ?? openDirectory(config, observation.log, clock)
  started.defer(() => { source.stop() })
  started.defer(reportFailures(source, observation))
  return { source, kubernetes }
}

function openDirectory (config: Config, log: Log, clock: Clock): Directory {
  return new Directory({ place: config, nodeFile: config.file, policies: config.policies, settings: config.directory }, {
    log, clock, readSettings: followConfig(config, log),
    check: () => undefined, // a policy that is invalid is not refused with its file: it keeps its subject closed
  })
}

/** The guard of the node, if the settings ask for it; otherwise what one that is no longer wanted has left is removed. */
export async function openHostGuard ({ guard: { interfaces } }: Config, tenants: HostGuardParts['tenants'], observation: Observation, { clock, started }: Opening): Promise<HostGuard | undefined> {
  const here = started.use(Netns.openOwn())
  if (interfaces.length === 0) {
    await removeHostGuard(here).catch((error: unknown) => { observation.log.warn('whether a host guard is left over could not be found out', { error }) })
    return undefined
  }
  const guard = await HostGuard.start(interfaces, { ...observation, here, clock, tenants })
  started.defer(() => guard.stop('keep'))
  observation.log.info('the node drops new connections of pods that are not captured', { interfaces })
  return guard
}

/**
 * A probe by command is a process in the agent's own cgroup, for a moment; and where cgroups are read-only, discovery
 * insists on being alone there.
 */
const discoveryTries = { most: 20, apartMs: 100 } as const

export async function openPeering ({ discovery }: Config, { clock, started }: Opening): Promise<Peering> {
  if (discovery.kind === 'declared') return declaredPeering(discovery)
  let running = startDiscovery()
  for (let i = 1; running.kind === 'unavailable' && i < discoveryTries.most; i++) {
    await new Promise<void>(resolve => { clock.after(discoveryTries.apartMs, resolve) })
    running = startDiscovery()
  }
  if (running.kind === 'unavailable') {
    throw new StartError(`discovery by TCP option is not to be had: ${running.reason}; set "discovery: declared" and list protected and external destinations`, { cause: running.detail === '' ? undefined : new Error(running.detail) })
  }
  started.use(running)
  return optionPeering
}

/** Each takes some 15 MB, and a few move more than the network of a node takes. */
const mostThreadsByDefault = 4

/** What moves the bytes: relay threads where they can be had, unless the settings say otherwise. */
export function openTransport ({ relay }: Config, log: Log, { started }: Opening): Transport {
  const why = relay.kind === 'streams' ? 'the settings say so' : whyNotNative()
  if (why !== undefined && relay.kind === 'native') throw new StartError(`relay threads are not to be had: ${why}; set "relay.kind: streams"`)
  const threads = relay.threads === 0 ? Math.min(availableParallelism(), mostThreadsByDefault) : relay.threads
  const transport = why === undefined ? new NativeTransport({ threads }) : new StreamTransport()
  started.defer(() => transport.close())
  log.info('bytes are moved', { by: transport.kind, ...why === undefined ? { threads } : { why } })
  return transport
}
