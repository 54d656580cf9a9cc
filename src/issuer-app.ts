/** The issuer: everything is built and bound here, then it runs. As `app.ts` for the agent. */

import { Api, openCredentials, readTextFile } from './cluster/index.ts'
import { SvidRotation } from './identity/index.ts'
import { apiDataStore, apiPodReader, apiTokenReviewer, Callers, Certificates, certificatesPath, Federation, fetchBundle, IssuerError, Keeper, KeeperLoop, maxRequestBytes, Shared, startHealth, startServer } from './issuer/index.ts'
import { systemClock } from './lib/clock.ts'
import { messageOf } from './lib/error.ts'
import { namespaceNameLabel } from './model/labels.ts'
import { createLog, FileSink, IssuerMetrics, Readiness } from './observe/index.ts'
import type { IssuerConfig } from './issuer-config.ts'
import type { PodReader, Publisher, SecretStore, TokenReviewer } from './issuer/index.ts'
import type { Clock } from './lib/clock.ts'
import type { SocketAddress } from './model/address.ts'
import type { Identity } from './model/workload.ts'
import type { Log } from './observe/index.ts'

/** What the issuer asks of Kubernetes. */
export interface IssuerKubernetes {
  readonly reviewer: TokenReviewer
  readonly pods: PodReader
  readonly secrets: SecretStore
  readonly publisher: Publisher
}

export interface IssuerParts {
  readonly version: string
  /** @default the system's */
  readonly clock?: Clock
  /** @default the API server of the settings */
  readonly kubernetes?: IssuerKubernetes
  /** @default to stderr */
  readonly log?: Log
}

export interface RunningIssuer {
  readonly addresses: { readonly agents: SocketAddress, readonly bundle: SocketAddress, readonly health: SocketAddress }
  stop (): Promise<void>
}

/** First look at what is shared; without the API server there is nothing to begin with. */
const firstTickMs = 30_000
const bundlePath = '/bundle.json'

/** Resolves when it serves. Rejects when there is no authority to be had. */
export async function startIssuer (config: IssuerConfig, { version, clock = systemClock, ...given }: IssuerParts): Promise<RunningIssuer> {
  await using started = new AsyncDisposableStack()
  const log = given.log ?? openLog(config, started)
  const metrics = new IssuerMetrics({ version })
  const readiness = new Readiness()
  readiness.awaits('authority')
  const kubernetes = given.kubernetes ?? await openKubernetes(config, clock, started)
  const health = await startHealth(config.health.listen, { readiness: () => readiness.status(), metrics: () => metrics.text() })
  started.defer(() => health.stop())

  const federation = openFederation(config, clock, log, metrics, () => { loop.poke() })
  const keeper = openKeeper(config, kubernetes, federation, clock, log)
  const loop = new KeeperLoop({
    keeper, clock, log,
    ticked (error) {
      if (error === undefined) { metrics.kept(keeper.state(), clock.now()); readiness.settled('authority') } else { metrics.keepFailed(); readiness.trouble('authority', messageOf(error)) }
    },
  })
  await keeper.tick(AbortSignal.timeout(firstTickMs))
  metrics.kept(keeper.state(), clock.now())
  started.defer(() => loop.stop())
  started.defer(() => { federation.stop() })

  const svids = new SvidRotation(ownIdentity(config), { issuer: keeper.issuer, trust: keeper, clock })
  svids.onFailure(error => { log.error('own certificate cannot be renewed', { error }) })
  svids.start()
  started.defer(() => { svids.stop() })
  const answered = (path: string, result: string, seconds: number): void => { metrics.requestEnded(path, result, seconds) }
  const parts = { svids, clock, log, answered }
  const certificates = openCertificates(config, kubernetes, keeper, clock, log)
  const agents = await startServer({
    listen: config.listen, minVersion: 'TLSv1.3', mostRequests: config.limits.requests, mostBodyBytes: maxRequestBytes,
    routes: [{ method: 'POST', path: certificatesPath, respond: (request, signal) => certificates.issue(request, signal) }],
  }, parts)
  started.defer(() => agents.stop())
  const bundle = await startServer({
    // Mozilla's intermediate profile (SPIFFE_Federation.md, 5): others may not speak TLS 1.3 yet.
    listen: config.bundle.listen, minVersion: 'TLSv1.2', mostRequests: config.limits.requests, mostBodyBytes: 0,
    routes: [{ method: 'GET', path: bundlePath, respond: () => Promise.resolve(ownBundle(keeper)) }],
  }, parts)
  started.defer(() => bundle.stop())

  federation.start()
  loop.start()
  readiness.met('authority')
  log.info('issuer runs', { cluster: config.cluster, trustDomain: config.trustDomain, version })
  const running = started.move()
  return { addresses: { agents: agents.address, bundle: bundle.address, health: health.address }, stop: () => running.disposeAsync() }
}

function openLog (config: IssuerConfig, started: AsyncDisposableStack): Log {
  const sink = new FileSink(2)
  started.defer(() => sink.close())
  return createLog(sink, { level: config.log.level, fields: { role: 'issuer' } })
}

async function openKubernetes (config: IssuerConfig, clock: Clock, started: AsyncDisposableStack): Promise<IssuerKubernetes> {
  const api = started.use(new Api(await openCredentials(config.kubernetes, clock)))
  const labels = { 'app.kubernetes.io/name': 'liburna', 'app.kubernetes.io/component': 'issuer' }
  return {
    reviewer: apiTokenReviewer(api),
    pods: apiPodReader(api),
    secrets: apiDataStore(api, 'secrets', config.namespace, labels),
    publisher: apiDataStore(api, 'configmaps', config.namespace, labels),
  }
}

function openFederation (config: IssuerConfig, clock: Clock, log: Log, metrics: IssuerMetrics, changed: () => void): Federation {
  return new Federation(config.federation, {
    fetch: (relationship, trusted, signal) => fetchBundle(relationship, trusted, signal, readTextFile),
    readFile: readTextFile,
    clock, log, changed,
    tried: (trustDomain, ok) => { metrics.federationTried(trustDomain, ok) },
  })
}

function openKeeper (config: IssuerConfig, { secrets, publisher }: IssuerKubernetes, federated: Federation, clock: Clock, log: Log): Keeper {
  const { trustDomain, authority, bundle, certificates, attributes } = config
  const shared = new Shared({ rootsSecret: authority.rootsSecret, signerSecret: authority.signerSecret, bundleConfigMap: bundle.configMap }, secrets, publisher)
  return new Keeper({
    trustDomain, kind: authority.kind, refreshHintMs: bundle.refreshHintMs,
    lives: { rootMs: authority.rootLifeMs, signerMs: authority.signerLifeMs, leadMs: authority.leadMs },
    authority: { trustDomain, clock, excludedLabels: attributes.excludedLabels, backdateMs: certificates.backdateMs },
  }, { shared, federated, clock, log })
}

function openCertificates (config: IssuerConfig, { reviewer, pods }: IssuerKubernetes, keeper: Keeper, clock: Clock, log: Log): Certificates {
  const callers = new Callers({ audience: config.audience, agents: config.agents }, { reviewer, pods, clock })
  return new Certificates({
    trustDomain: config.trustDomain, cluster: config.cluster, mostTtlMs: config.certificates.mostTtlMs,
    ownAccount: `${config.namespace}/${config.serviceAccount}`,
    perNode: { perSecond: config.limits.nodePerSecond, burst: config.limits.nodeBurst },
  }, { callers, pods, authority: () => keeper.authority(), clock, log })
}

/** Of both replicas: what agents look at is the ID. */
function ownIdentity ({ trustDomain, cluster, namespace, serviceAccount }: IssuerConfig): Identity {
  return {
    spiffeId: { trustDomain, namespace, serviceAccount },
    attributes: { cluster, namespace, name: serviceAccount, uid: '', owner: undefined, labels: {}, namespaceLabels: { [namespaceNameLabel]: namespace }, ports: [], images: [] },
  }
}

function ownBundle (keeper: Keeper): string {
  const text = keeper.ownBundle()
  if (text === undefined) throw new IssuerError('unavailable', 'nothing is published yet')
  return text
}
