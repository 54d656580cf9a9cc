/**
 * The agent: everything is built and bound here, then it runs.
 *
 * What can fail for a reason that the operator can mend (a key that does not fit, a port that is taken, a policy
 * that cannot be read) fails before the first rule is loaded.
 */

import { join } from 'node:path'
import { startAdmin } from './admin/index.ts'
import { Capture, startDiscovery } from './capture/index.ts'
import { Directory, reportFailures } from './cluster/index.ts'
import { followConfig } from './config.ts'
import { FileTrust, openAuthority, rootFileName } from './identity/index.ts'
import { systemClock } from './lib/clock.ts'
import { declaredPeering, Enforcer, optionPeering, Policies } from './node/index.ts'
import { createLog, Faults, FileSink, FlowRecorder, Metrics, Readiness } from './observe/index.ts'
import { Registry } from './proxy/index.ts'
import { factsOf } from './tools/index.ts'
import type { Config } from './config.ts'
import type { Clock, Timer } from './lib/clock.ts'
import type { SocketAddress } from './model/address.ts'
import type { Peering } from './node/index.ts'
import type { Log, MetricsText } from './observe/index.ts'
import type { NodeParts } from './proxy/index.ts'

/** What tells of the agent. */
interface Observation {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly recorder: FlowRecorder
  readonly recordSink: FileSink
}

export interface Agent {
  /** Where the admin server listens. */
  readonly adminAddress: SocketAddress
  /** Rejects when the agent cannot go on; never resolves. */
  readonly failed: Promise<never>
  /** Opens the file of records again by its name, after a rotation has moved it away. */
  reopenFiles (): void
  /** Ends service; the rules in the pods stay. */
  stop (): Promise<void>
}

/** What cannot be had for the settings as they are. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly code = 'cannot-start'
}

export interface AgentParts {
  readonly version: string
  /** @default the system's */
  readonly clock?: Clock
}

/** Resolves when the agent runs; `/readyz` tells when every workload is captured. Rejects before a rule is loaded. */
export async function startAgent (config: Config, { version, clock = systemClock }: AgentParts): Promise<Agent> {
  await using started = new AsyncDisposableStack()
  const observation = openObservation(config, version, clock, started)
  const { log, metrics, readiness, recorder } = observation
  const faults = started.use(new Faults({ log, metrics, clock }))

  const excludedLabels = config.attributes.excludedLabels
  const authority = openAuthority(config.authority, { trustDomain: config.trustDomain, clock, excludedLabels, backdateMs: config.certificates.backdateMs })
  const trust = openTrust(config, clock, log, started)

  const source = new Directory({ place: config, nodeFile: config.file, policies: config.policies, settings: config.directory }, {
    log, clock, readSettings: followConfig(config, log),
    check: () => undefined, // a policy that is invalid is not refused with its file: it keeps its subject closed
  })
  started.defer(() => { source.stop() })
  started.defer(reportFailures(source, observation))

  const policies = new Policies(source.manifests(), { unsignedLabels: excludedLabels, sameness: config.sameness, home: config }, observation)
  const registry = new Registry(() => policies.current(), clock, { graceMs: config.certificates.endConnections ? 0 : Infinity })
  const node: NodeParts = {
    recorder, registry, clock, metrics,
    policies: () => policies.current(),
    timeouts: { connectMs: config.connect.timeoutMs, handshakeMs: config.handshake.timeoutMs },
  }
  const enforcer = new Enforcer({
    groups: config.handshake.groups, connections: config.limits.connectionsPerPod, handshakes: config.limits.handshakesPerPod,
    rotation: { ttlMs: config.certificates.ttlMs, excludedLabels },
  }, {
    node, policies, source, capture: new Capture(), peering: openPeering(config, started),
    identity: { issuer: authority, trust, clock }, log, metrics, readiness,
  })
  const admin = await startAdmin(config.admin.listen, {
    about: { node: config.node, cluster: config.cluster, version },
    readiness: () => readiness.status(),
    metrics: () => scrape(metrics, enforcer),
    flows: () => recorder.recent(),
    facts: () => factsOf({ home: config, unsignedLabels: excludedLabels, identities: source.workloads().map(({ identity }) => identity), manifests: source.manifests() }),
    dumps: { connections: () => registry.dump(), policies: () => policies.dump(), workloads: () => enforcer.dump() },
  }, log)
  started.defer(() => admin.stop())

  started.defer(() => enforcer.stop())
  enforcer.start()
  log.info('agent runs', { cluster: config.cluster, trustDomain: config.trustDomain, version, workloads: enforcer.pods.length })
  const running = started.move()
  return {
    adminAddress: admin.address,
    failed: faults.tooMany,
    reopenFiles: () => { observation.recordSink.reopen() },
    async stop () {
      enforcer.refuseNew()
      await drained(registry, config.shutdown.timeoutMs, clock)
      await running.disposeAsync()
    },
  }
}

/** What the agent tells of itself; the sinks are the last to close. */
function openObservation (config: Config, version: string, clock: Clock, started: AsyncDisposableStack): Observation {
  const logSink = new FileSink(2)
  const recordSink = new FileSink(config.records.path === 'stdout' ? 1 : config.records.path)
  started.defer(async () => { await Promise.all([logSink.close(), recordSink.close()]) })
  const log = createLog(logSink, { level: config.log.level, fields: { node: config.node } })
  const metrics = new Metrics({ version, node: config.node })
  metrics.watchSink('log', logSink)
  metrics.watchSink('records', recordSink)
  return { log, metrics, readiness: new Readiness(), recordSink, recorder: new FlowRecorder({ node: config.node, sink: recordSink, log, metrics, clock }) }
}

/** How often the files of trusted roots are read again, ms. */
const trustPollMs = 10_000

/** Our own root and the further ones, followed: a root that is taken away ends the connections that it vouched for. */
function openTrust (config: Config, clock: Clock, log: Log, started: AsyncDisposableStack): FileTrust {
  const trust = new FileTrust([join(config.authority, rootFileName), ...config.trust], clock)
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

function openPeering ({ discovery }: Config, started: AsyncDisposableStack): Peering {
  if (discovery.kind === 'declared') return declaredPeering(discovery)
  const running = startDiscovery()
  if (running.kind === 'unavailable') {
    throw new StartError(`discovery by TCP option is not to be had: ${running.reason}; set "discovery: declared" and list protected and external destinations`, { cause: running.detail === '' ? undefined : new Error(running.detail) })
  }
  started.defer(() => { running.stop() })
  return optionPeering
}

async function scrape (metrics: Metrics, enforcer: Enforcer): Promise<MetricsText> {
  metrics.workloads(enforcer.pods.length, enforcer.pods.filter(({ captured }) => captured).length)
  return await metrics.text()
}

/** How often the end of the last connection is looked for, ms. */
const drainLookMs = 50

/** Resolves when no connection is left, or after `ms`. */
async function drained (registry: Registry, ms: number, clock: Clock): Promise<void> {
  const until = clock.monotonic() + ms
  while (registry.size > 0 && clock.monotonic() < until) await new Promise<void>(resolve => { clock.after(drainLookMs, resolve) })
}
