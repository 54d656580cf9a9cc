/**
 * The agent: everything is built and bound here, then it runs.
 *
 * What can fail for a reason that the operator can mend (a key that does not fit, a port that is taken, a policy
 * that cannot be read) fails before the first rule is loaded.
 */

import { HealthFiles, startAdmin, startMetrics } from './admin/index.ts'
import { finish } from './app-ending.ts'
import { openCredence, openFacts, openHostGuard, openObservation, openPeering, openTransport, startingView } from './app-parts.ts'
import { Capture } from './capture/index.ts'
import { systemClock } from './lib/clock.ts'
import { Enforcer, notEnforced, Policies } from './node/index.ts'
import { Faults, untold } from './observe/index.ts'
import { IdleSessions, Registry } from './proxy/index.ts'
import { resetEverythingOnClose } from './sys/index.ts'
import { factsOf } from './tools/index.ts'
import type { AdminView } from './admin/index.ts'
import type { Facts } from './app-parts.ts'
import type { Config } from './config.ts'
import type { Clock } from './lib/clock.ts'
import type { SocketAddress } from './model/address.ts'
import type { Log, Metrics, MetricsText } from './observe/index.ts'
import type { NodeParts } from './proxy/index.ts'

export { StartError } from './app-parts.ts'

export interface Agent {
  /** Where the admin server listens. */
  readonly adminAddress: SocketAddress
  /** Where `/metrics` alone is served; `undefined` when nowhere. */
  readonly metricsAddress: SocketAddress | undefined
  /** Rejects when the agent cannot go on; never resolves. Its connections are reset by the end of the process, which should be soon. */
  readonly failed: Promise<never>
  /** Opens the file of records again by its name, after a rotation has moved it away. */
  reopenFiles (): void
  /** Ends service; the rules in the pods stay, unless liburna itself is being removed. */
  stop (): Promise<void>
}

export interface AgentParts {
  readonly version: string
  /** @default the system's */
  readonly clock?: Clock
}

/** Resolves when the agent runs; `/readyz` tells when every workload is captured. Rejects before a rule is loaded. */
export async function startAgent (config: Config, { version, clock = systemClock }: AgentParts): Promise<Agent> {
  await using started = new AsyncDisposableStack()
  const opening = { clock, started }
  const observation = openObservation(config, version, opening)
  const { log, metrics, readiness, recorder } = observation
  const faults = started.use(new Faults({ log, metrics, clock }))
  const { issuer, trust } = await openCredence(config, log, opening)

  // It is there from now on, and tells what is awaited: an API server may be away for long.
  readiness.awaits('start', 'not running yet')
  const view = startingView(config, version, observation)
  if (config.admin.health !== '') started.use(new HealthFiles(config.admin.health, { clock, log, isReady: () => readiness.status().ready }))
  const admin = await startAdmin(config.admin.listen, view, log, clock)
  started.defer(() => admin.stop())
  const scraped = config.metrics.listen === 'off' ? undefined : await startMetrics(config.metrics.listen, view, log, clock)
  if (scraped !== undefined) started.defer(() => scraped.stop())
  const facts = await openFacts(config, observation, opening)
  const { source, kubernetes } = facts

  const excludedLabels = config.attributes.excludedLabels
  const policies = new Policies(source.manifests(), { unsignedLabels: excludedLabels, sameness: config.sameness, home: config, ownNodeMayEnter: kubernetes !== undefined && config.kubernetes?.ownNode !== 'never' }, observation)
  const peering = await openPeering(config, opening)
  const transport = openTransport(config, log, opening)
  const { lender } = transport
  const registry = new Registry(() => policies.current(), clock, { graceMs: config.certificates.endConnections ? 0 : Infinity }, lender)
  const node: NodeParts = {
    recorder, registry, transport, lender, clock, metrics,
    idle: new IdleSessions(config.reuse, clock, lender),
    policies: () => policies.current(),
    timeouts: { connectMs: config.connect.timeoutMs, handshakeMs: config.handshake.timeoutMs },
  }
  const enforcer = new Enforcer({
    groups: config.handshake.groups, resumeForMs: config.handshake.resumeForMs, connections: config.limits.connectionsPerPod, handshakes: config.limits.handshakesPerPod,
    rotation: { ttlMs: config.certificates.ttlMs, excludedLabels },
  }, {
    node, policies, source, capture: new Capture(), peering,
    ...kubernetes !== undefined && { ownNode: kubernetes.ownNode },
    identity: { issuer, trust, clock }, log, metrics, readiness, occurrences: kubernetes?.occurrences ?? untold,
  })
  Object.assign(view, {
    metrics: () => scrape(metrics, enforcer, node, facts),
    facts: () => factsOf({ home: config, unsignedLabels: excludedLabels, identities: source.workloads().map(({ identity }) => identity), manifests: source.manifests() }),
    dumps: { connections: () => registry.dump(), policies: () => policies.dump(), workloads: () => enforcer.dump() },
  } satisfies Partial<AdminView>)

  started.defer(() => enforcer.stop('keep'))
  const guard = await openHostGuard(config, () => kubernetes === undefined ? enforcer.tenants() : kubernetes.tenants(enforcer), observation, opening)
  enforcer.start()
  kubernetes?.start({ enforcer, policies, recorder, guard })
  readiness.met('start')
  log.info('agent runs', { cluster: config.cluster, trustDomain: config.trustDomain, mode: config.mode, version, workloads: enforcer.pods.length })
  const running = started.move()
  return {
    adminAddress: admin.address,
    metricsAddress: scraped?.address,
    failed: Promise.race([faults.tooMany, transport.failed]).catch((error: unknown) => { throw givenUp(error, log) }),
    reopenFiles: () => { observation.recordSink.reopen() },
    async stop () {
      enforcer.refuseNew()
      node.idle.close()
      await guard?.stop('keep') // what is released now is for the agent to say that comes
      // Their ports are for the agent that takes over.
      await Promise.all([admin.stop(), scraped?.stop(), kubernetes?.leave()])
      const isRemoved = (): boolean => kubernetes?.isRemoved() === true
      await finish({ enforcer, registry, clock, timeoutMs: config.shutdown.timeoutMs, isHurried: isRemoved })
      if (isRemoved()) log.warn('liburna is being removed: every pod is let go')
      await enforcer.stop(isRemoved() ? 'disarm' : 'keep')
      await guard?.stop(isRemoved() ? 'remove' : 'keep')
      await running.disposeAsync()
    },
  }
}

/** Nothing that lives is finished: what is broken would be in its way, and until the process is gone there is no other agent. */
function givenUp (error: unknown, log: Log): unknown {
  log.error('the agent cannot go on; its connections are reset', { error })
  resetEverythingOnClose()
  return error
}

async function scrape (metrics: Metrics, enforcer: Enforcer, { idle }: NodeParts, { kubernetes }: Facts): Promise<MetricsText> {
  kubernetes?.measure()
  metrics.podsNotEnforced(notEnforced(kubernetes?.source.waiting() ?? [], enforcer.pods))
  metrics.sessionsIdle(idle.counts)
  metrics.workloads(enforcer.pods.length, enforcer.pods.filter(({ captured }) => captured).length)
  return await metrics.text()
}
