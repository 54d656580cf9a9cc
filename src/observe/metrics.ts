/**
 * Every metric of the agent, in this one file.
 *
 * Names begin with `liburna_`. A label is always present and from a bounded set; what is not known is `unknown`,
 * never empty. Nothing that a peer can choose (a label, an address, a SPIFFE ID) becomes a label here; names of
 * local workloads and of invalid policies do, up to `mostNames` in each metric.
 */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Direction, FlowRecord } from '../model/flow.ts'
import type { LineSink } from './sink.ts'

/** What `/metrics` answers with. */
export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/** Which way bytes went, as in `FlowRecord`: `sent` towards the destination. */
export type Way = 'sent' | 'received'
/** What could not be reloaded. */
export type ReloadSource = 'policies' | 'node'

/** What became of an event or a condition: `dropped` was not tried, `overtaken` was said by somebody else. */
export type StatusResult = 'written' | 'failed' | 'dropped' | 'overtaken'

/** Why a pod that is to be enforced is not: nobody says where its network is, its rules are not loaded, or it cannot prove who it is. */
export type NotEnforced = 'no-namespace' | 'not-captured' | 'no-certificate'

/**
 * How a connection came to its session with the other agent: a handshake of its own, in full or resting on an earlier
 * one, or a session that another connection has left; `stale` is one that turned out to be dead, so that the connection
 * took a fresh one.
 */
export type SessionSource = 'fresh' | 'resumed' | 'reused' | 'stale'

/** What became of a pod that was about to start. */
export type PodStart = 'captured' | 'not-selected' | 'refused' | 'late'

/** Names beyond this many share the label value `other`. */
const mostNames = 500
/** Values of an open set (handshake results) beyond this many become `other`. */
const mostResults = 40
/** How often the lag of the event loop is looked at, ms: each look wakes an idle process. */
export const lagPrecisionMs = 100
/** From a local resumption-free handshake (about 1 ms) to the deadline, seconds. */
const handshakeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  readonly #registry = new Registry()
  readonly #expiry = new Set<string>()
  readonly #deniedWorkloads = new Set<string>()
  readonly #results = new Set<string>()
  readonly #flows
  readonly #open
  readonly #bytes
  readonly #handshake
  readonly #sessions
  readonly #idle
  readonly #workloads
  readonly #certificate
  readonly #renewalFailures
  readonly #policyRevision
  readonly #policyObjects
  readonly #policyInvalid
  readonly #denied
  readonly #notEnforced
  readonly #events
  readonly #conditions
  readonly #reloadFailures
  readonly #unreadable
  readonly #waiting
  readonly #started
  readonly #factsAge
  readonly #runtime
  readonly #hostGuard
  readonly #dropped
  readonly #faults
  readonly #sinks = new Map<string, LineSink>()

  /** @param build printed as labels of `liburna_build_info`. */
  constructor (build: { version: string, node: string }) {
    this.#flows = this.#counter('flows_total', 'Captured connections that have ended.', ['direction', 'mode', 'verdict', 'outcome', 'peer'])
    this.#open = this.#gauge('connections_open', 'Captured connections that are open now.', ['direction'])
    this.#bytes = this.#counter('bytes_total', 'Application bytes forwarded; sent is towards the destination.', ['direction', 'way'])
    this.#handshake = new Histogram({
      name: 'liburna_handshake_seconds', help: 'Time of the handshake with the other agent, by how it ended.',
      labelNames: ['direction', 'result'] as const, buckets: handshakeBuckets, registers: [this.#registry],
    })
    this.#sessions = this.#counter('sessions_total', 'Connections with another agent, by where their session came from; a stale one was dead when it was to carry another.', ['direction', 'source'])
    this.#idle = this.#gauge('sessions_idle', 'Sessions with other agents that rest between two connections.', ['direction'])
    this.#workloads = this.#gauge('workloads', 'Workloads of this node; captured are those whose rules are loaded.', ['state'])
    this.#certificate = this.#gauge('certificate_not_after_seconds', 'End of the workload certificate, seconds since the epoch.', ['workload'])
    this.#renewalFailures = this.#counter('certificate_renewal_failures_total', 'Certificates that could not be issued or renewed.', [])
    this.#policyRevision = this.#gauge('policy_revision', 'Number of the policy set that is enforced; it grows by one with each change.', [])
    this.#policyObjects = this.#gauge('policy_objects', 'Policy objects that are enforced.', [])
    this.#policyInvalid = this.#gauge('policy_invalid', '1 for each policy that is invalid: the pods that it selects are kept closed.', ['policy'])
    this.#denied = this.#counter('denied_total', 'Connections of local workloads that policy at either end has denied.', ['workload', 'direction'])
    this.#notEnforced = this.#gauge('pod_not_enforced', '1 for each pod that is to be enforced and is not: its network namespace is not known, its rules are not loaded, or it has no certificate.', ['pod', 'why'])
    this.#events = this.#counter('events_total', 'Kubernetes Events, by what became of them.', ['result'])
    this.#conditions = this.#counter('conditions_total', 'Conditions in the status of policies, by what became of them.', ['result'])
    this.#reloadFailures = this.#counter('reload_failures_total', 'Times that a changed file could not be used; the last good state stays enforced.', ['source'])
    this.#unreadable = this.#gauge('unreadable_files', 'Files whose last good state is enforced because they cannot be used now.', ['source'])
    this.#waiting = this.#gauge('pods_waiting', 'Pods that are to be captured but whose network namespace is not known: starting, or exposed.', [])
    this.#started = this.#counter('pods_started_total', 'Pods that the container runtime has told of before they started; late ones started before they were captured.', ['result'])
    this.#factsAge = this.#gauge('facts_age_seconds', 'How old what is known of the cluster may be; 0 while changes are heard of.', ['kind'])
    this.#hostGuard = this.#gauge('host_guard', 'Whether new connections of pods that are not captured yet are dropped by a rule of the node.', [])
    this.#runtime = this.#gauge('runtime_tells_of_pods', 'Whether the container runtime tells of pods before they start (NRI).', [])
    this.#dropped = this.#counter('lines_dropped_total', 'Lines that were not written because the reader is slow or the disk is full.', ['stream'])
    this.#faults = this.#counter('internal_faults_total', 'Things that must not happen. Please report them.', ['fault'])
    this.#gauge('build_info', 'Always 1; the labels tell what runs.', ['version', 'node']).set({ version: build.version, node: build.node }, 1)
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: lagPrecisionMs })
    this.#startAtZero()
  }

  /** A connection was accepted; `flowEnded` must follow. */
  flowStarted (direction: Direction): void { this.#open.inc({ direction }) }

  flowEnded (record: FlowRecord): void {
    const { direction, mode, verdict, outcome } = record
    this.#open.dec({ direction })
    this.#flows.inc({ direction, mode, verdict, outcome, peer: record.peer === '' ? 'unknown' : record.peer })
    if (verdict === 'denied') this.#denied.inc({ workload: bounded(this.#deniedWorkloads, localWorkloadOf(record), mostNames), direction })
  }

  bytesMoved (direction: Direction, way: Way, bytes: number): void {
    if (bytes > 0) this.#bytes.inc({ direction, way }, bytes)
  }

  /** @param result `ok` or the code of the error; from our own closed lists, never from the peer. */
  handshakeEnded (direction: Direction, result: string, seconds: number): void {
    this.#handshake.observe({ direction, result: bounded(this.#results, result, mostResults) }, seconds)
  }

  sessionUsed (direction: Direction, source: SessionSource): void { this.#sessions.inc({ direction, source }) }

  sessionsIdle (counts: Readonly<Record<Direction, number>>): void {
    for (const direction of ['inbound', 'outbound'] as const) this.#idle.set({ direction }, counts[direction])
  }

  workloads (known: number, captured: number): void {
    this.#workloads.set({ state: 'known' }, known)
    this.#workloads.set({ state: 'captured' }, captured)
  }

  podsWaiting (count: number): void { this.#waiting.set(count) }

  podStarted (result: PodStart): void { this.#started.inc({ result }) }

  /** @param kind plural name of a kind of objects; from our own list. */
  factsAge (kind: string, seconds: number): void { this.#factsAge.set({ kind }, seconds) }

  hostGuard (isThere: boolean): void { this.#hostGuard.set(isThere ? 1 : 0) }

  runtimeTells (isConnected: boolean): void { this.#runtime.set(isConnected ? 1 : 0) }

  /** @param workload `namespace/name` of a local workload. */
  certificateIssued (workload: string, notAfterMs: number): void {
    this.#certificate.set({ workload: bounded(this.#expiry, workload, mostNames) }, notAfterMs / 1000)
  }

  certificateFailed (): void { this.#renewalFailures.inc() }

  /** The workload is gone, and with it its series. */
  workloadForgotten (workload: string): void {
    if (this.#expiry.delete(workload)) this.#certificate.remove({ workload })
    if (this.#deniedWorkloads.delete(workload)) for (const direction of ['inbound', 'outbound'] as const) this.#denied.remove({ workload, direction })
  }

  /** Those that there are now, by `namespace/name`. */
  podsNotEnforced (pods: readonly { readonly pod: string, readonly why: NotEnforced }[]): void {
    this.#notEnforced.reset()
    const seen = new Set<string>()
    for (const { pod, why } of pods) this.#notEnforced.set({ pod: bounded(seen, pod, mostNames), why }, 1)
  }

  /** Those that there are now, by kind, namespace and name. */
  policiesInvalid (policies: readonly string[]): void {
    this.#policyInvalid.reset()
    const seen = new Set<string>()
    for (const policy of policies) this.#policyInvalid.set({ policy: bounded(seen, policy, mostNames) }, 1)
  }

  eventEnded (result: StatusResult): void { this.#events.inc({ result }) }

  conditionEnded (result: StatusResult): void { this.#conditions.inc({ result }) }

  policyEnforced (revision: number, objects: number): void {
    this.#policyRevision.set(revision)
    this.#policyObjects.set(objects)
  }

  reloadFailed (source: ReloadSource): void { this.#reloadFailures.inc({ source }) }

  unreadableFiles (source: ReloadSource, count: number): void { this.#unreadable.set({ source }, count) }

  /** From now on every scrape tells how many lines `sink` has dropped. */
  watchSink (stream: 'log' | 'records', sink: LineSink): void { this.#sinks.set(stream, sink) }

  internalFault (fault: 'flow-closed-twice' | 'flow-left-open' | 'uncaught'): void { this.#faults.inc({ fault }) }

  /** Everything in the Prometheus text format. */
  async text (): Promise<MetricsText> {
    this.#dropped.reset()
    for (const stream of ['log', 'records']) this.#dropped.inc({ stream }, this.#sinks.get(stream)?.dropped ?? 0)
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  #counter<L extends string> (name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name: `liburna_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #gauge<L extends string> (name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name: `liburna_${name}`, help, labelNames, registers: [this.#registry] })
  }

  /** A rate over a counter that appears with its first event misses that event: these are there from the start. */
  #startAtZero (): void {
    for (const direction of ['inbound', 'outbound'] as const) {
      this.#open.set({ direction }, 0)
      for (const source of ['fresh', 'resumed', 'reused'] as const) this.#sessions.inc({ direction, source }, 0)
      for (const way of ['sent', 'received'] as const) this.#bytes.inc({ direction, way }, 0)
    }
    for (const source of ['policies', 'node'] as const) {
      this.#reloadFailures.inc({ source }, 0)
      this.#unreadable.set({ source }, 0)
    }
    for (const result of ['captured', 'not-selected', 'refused', 'late'] as const) this.#started.inc({ result }, 0)
    for (const result of ['written', 'failed', 'dropped'] as const) this.#events.inc({ result }, 0)
    for (const result of ['written', 'failed', 'overtaken'] as const) this.#conditions.inc({ result }, 0)
    for (const fault of ['flow-closed-twice', 'flow-left-open', 'uncaught'] as const) this.#faults.inc({ fault }, 0)
    this.#sessions.inc({ direction: 'outbound', source: 'stale' }, 0)
    this.sessionsIdle({ inbound: 0, outbound: 0 })
    this.workloads(0, 0)
  }
}

function localWorkloadOf ({ direction, source, destination }: FlowRecord): string {
  const { namespace, name } = direction === 'inbound' ? destination : source
  return name === '' ? 'unknown' : `${namespace}/${name}`
}

/** The value while the set of values has room, else `other`. */
function bounded (seen: Set<string>, value: string, most: number): string {
  if (seen.has(value)) return value
  if (seen.size >= most) return 'other'
  seen.add(value)
  return value
}
