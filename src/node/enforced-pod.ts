/**
 * One local workload from the moment it is known until it is gone: rules in its namespace, a certificate, and its
 * connections served.
 *
 * A namespace that fails is tried again, alone, for as long as the workload is known. From the first success on the
 * rules stay in the namespace whatever happens to us; only `leave('disarm')` takes them away.
 */

import { statSync } from 'node:fs'
import { SvidRotation } from '../identity/index.ts'
import { backoffMs } from '../lib/backoff.ts'
import { messageOf } from '../lib/error.ts'
import { podName } from '../model/occurrence.ts'
import { Places, serveInbound, serveOutbound } from '../proxy/index.ts'
import { Revocation } from '../relay/index.ts'
import { nobodysNode } from './peering.ts'
import type { Capture, PodCapture } from '../capture/index.ts'
import type { ClusterChange, Exclusions, LocalWorkload } from '../cluster/index.ts'
import type { HandshakeParts } from '../handshake/index.ts'
import type { RotationOptions, RotationParts, Svid } from '../identity/index.ts'
import type { Timer } from '../lib/clock.ts'
import type { OriginalDestination, SocketAddress } from '../model/address.ts'
import type { OccurrenceReason } from '../model/occurrence.ts'
import type { Identity } from '../model/workload.ts'
import type { Log, Metrics, Occurrences, Readiness } from '../observe/index.ts'
import type { LocalPod, NodeParts } from '../proxy/index.ts'
import type { Connection, Listening } from '../relay/index.ts'
import type { Fd } from '../sys/index.ts'
import type { OwnNode, Peering } from './peering.ts'

export interface EnforcedPodParts {
  readonly node: NodeParts
  readonly capture: Capture
  readonly peering: Peering
  /** @default nobody's */
  readonly ownNode?: OwnNode
  readonly identity: RotationParts
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly occurrences: Occurrences
}

export interface EnforcedPodOptions {
  /** TLS groups. */
  readonly groups: string
  readonly rotation: RotationOptions
  /** Most open connections. */
  readonly connections: number
  /** Most handshakes under way. */
  readonly handshakes: number
}

export type WorkloadChange = ClusterChange & { readonly kind: 'workload-changed' }

/** How often we look whether the namespace is still the one that we have armed, ms. */
const lookMs = 1000
/** Tries that fail, about a second in all, before the cluster is told. */
const tellAttempt = 3

export class EnforcedPod implements LocalPod {
  readonly places: Places
  readonly handshakes: Places
  readonly handshake: HandshakeParts
  readonly #parts: EnforcedPodParts
  readonly #log: Log
  readonly #svids: SvidRotation
  readonly #closing = new AbortController()
  #workload: LocalWorkload
  #capture: PodCapture | undefined
  #inode: bigint | undefined
  #listening: Listening[] = []
  #timer: Timer | undefined
  #attempt = 0
  #arming: Promise<void> = Promise.resolve()
  readonly #guarded = Promise.withResolvers<void>()

  constructor (workload: LocalWorkload, options: EnforcedPodOptions, parts: EnforcedPodParts) {
    this.#workload = workload
    this.#parts = parts
    this.#log = parts.log.child({ workload: workload.key })
    this.places = new Places(options.connections)
    this.handshakes = new Places(options.handshakes)
    this.#svids = new SvidRotation(workload.identity, parts.identity, options.rotation)
    const now = (): LocalWorkload => this.#workload
    this.handshake = { svids: this.#svids, trust: parts.identity.trust, clock: parts.node.clock, groups: options.groups, get mode () { return now().mode } }
  }

  get captured (): boolean { return this.#capture !== undefined }
  /** Resolves when the rules have been loaded for the first time: from then on everything is judged or held. */
  get guarded (): Promise<void> { return this.#guarded.promise }
  get workload (): LocalWorkload { return this.#workload }
  get closing (): AbortSignal { return this.#closing.signal }
  /** End of the certificate; `undefined` without one. */
  get notAfterMs (): number | undefined { return this.#svids.current()?.notAfterMs }

  identity (): Identity { return this.#workload.identity }

  /** Begins; readiness tells by name what is still awaited. */
  start (): void {
    const { readiness, metrics } = this.#parts
    readiness.awaits(this.#named('certificate'), 'not issued yet')
    readiness.awaits(this.#named('capture'), 'not armed yet')
    this.#svids.onChange(svid => { this.#certified(svid) })
    this.#svids.onFailure(error => {
      metrics.certificateFailed()
      if (this.#svids.current() === undefined) this.#tell('NoCertificate', messageOf(error))
      this.#log.error('no certificate could be issued; it is tried again', { error })
    })
    this.#svids.start()
    this.#arming = this.#arm()
  }

  /** The workload has other facts now. The caller judges its live connections again. */
  change ({ workload, identity, exclusions, mode }: WorkloadChange): void {
    this.#workload = workload
    if (identity) this.#svids.refresh(workload.identity)
    if (mode) this.#log.warn('the mode has changed', { mode: workload.mode })
    if (exclusions) this.#arming = this.#arming.then(() => this.#exclude(workload.exclude))
  }

  /** Accepts nothing more: new connections are held by the rules. */
  refuseNew (): void {
    this.#timer?.cancel()
    this.#stopListening()
  }

  /**
   * Ends service: connections are closed with `why`. `disarm` takes the rules out of the namespace; `keep` leaves
   * them, so that new connections are held until somebody serves them again.
   */
  async leave (rules: 'disarm' | 'keep', why: Revocation): Promise<void> {
    this.#timer?.cancel()
    this.#closing.abort(why)
    this.#svids.stop()
    this.#stopListening()
    await this.#arming
    this.#stopListening()
    await this.#letGo(rules)
    const { readiness, metrics } = this.#parts
    for (const what of ['certificate', 'capture']) readiness.met(this.#named(what))
    metrics.workloadForgotten(this.#workload.key)
  }

  async dialOut (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection> {
    return await this.#held().dialOut(client.remote.ip, to, this.#connect(client, signal))
  }

  async dialPod (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection> {
    return await this.#held().dialPod(client.remote, to, this.#connect(client, signal))
  }

  agentAnswered (server: Connection): boolean { return this.#parts.peering.agentAnswered(server) }
  agentSpeaks (client: Connection): boolean { return this.#parts.peering.agentSpeaks(client) }
  isFromNode (client: SocketAddress, to: OriginalDestination): boolean { return (this.#parts.ownNode ?? nobodysNode).isFromNode(client, to) }

  #connect (beside: Connection, signal: AbortSignal): (dialer: Fd, to: SocketAddress) => Promise<Connection> {
    const { transport } = this.#parts.node
    return (dialer, to) => transport.dial(dialer, to, { signal, beside })
  }

  #tell (reason: OccurrenceReason, note: string): void {
    this.#parts.occurrences.tell({ about: podName(this.#workload.identity.attributes), reason, note, sort: '', isShared: false })
  }

  #named (what: string): string { return `${what} of ${this.#workload.key}` }

  #held (): PodCapture {
    if (this.#capture === undefined) throw new Revocation('workload-gone', 'the namespace is gone')
    return this.#capture
  }

  #certified (svid: Svid | undefined): void {
    const { readiness, metrics, node } = this.#parts
    if (svid === undefined) { readiness.awaits(this.#named('certificate'), 'none that is valid'); return }
    readiness.met(this.#named('certificate'))
    metrics.certificateIssued(this.#workload.key, svid.notAfterMs)
    node.registry.renew(this)
  }

  /** Arms once; a failure is told and tried again later. Never rejects. */
  async #arm (): Promise<void> {
    const { capture, readiness } = this.#parts
    const { netns, key, exclude, mode } = this.#workload
    try {
      const inode = inodeOf(netns)
      this.#capture = await capture.arm({ netns, name: key, exclude: rangesOf(exclude) })
      this.#inode = inode
      this.#guarded.resolve()
      await this.#svids.ready(this.closing) // connections wait in the listeners' queues until they can be proven
      await this.#listen(this.#capture)
      this.#attempt = 0
      readiness.met(this.#named('capture'))
      this.#log.info('workload is captured', { netns, mode, excluded: describe(exclude) })
      this.#next(lookMs, () => { this.#look() })
    } catch (error) {
      this.#retry(error)
    }
  }

  #retry (error: unknown): void {
    if (this.closing.aborted) return
    this.#stopListening()
    this.#parts.node.idle.drop(this) // their sockets are of the namespace that is gone
    this.#capture?.release()
    this.#capture = undefined
    this.#parts.readiness.awaits(this.#named('capture'), messageOf(error))
    // A pod that ends takes its namespace along a moment before we hear of it.
    if (this.#attempt >= tellAttempt) this.#tell('NotCaptured', messageOf(error))
    this.#log[this.#attempt === 0 ? 'error' : 'debug']('workload cannot be captured; it is tried again', { error })
    this.#next(backoffMs(this.#attempt++, { firstMs: 200, mostMs: 5000 }), () => { this.#arming = this.#arm() })
  }

  async #listen (capture: PodCapture): Promise<void> {
    const { node } = this.#parts
    const open = async (fds: readonly Fd[], serve: (connection: Connection, to: OriginalDestination) => Promise<void>): Promise<void> => {
      for (const fd of fds) {
        this.#listening.push(await node.transport.listen(fd, {
          serve: connection => {
            const to = capture.originalDestination(connection)
            // Dialled by the listener's own address: not captured, so there is no destination, and nobody to serve.
            if (to === undefined) connection.reset()
            else void serve(connection, to)
          },
          onError: error => { this.#log.error('a connection could not be accepted', { error }) },
        }))
      }
    }
    await open(capture.listeners.inbound, async (connection, to) => {
      const leave = capture.serving(connection.remote, to)
      await serveInbound(connection, this, node)
      leave()
    })
    await open(capture.listeners.outbound, async connection => { await serveOutbound(connection, this, node) })
  }

  #stopListening (): void {
    for (const listening of this.#listening.splice(0)) void listening.close()
  }

  /** The namespace may be gone, or another one may stand under its name. */
  #look (): void {
    if (inodeOf(this.#workload.netns) === this.#inode) { this.#next(lookMs, () => { this.#look() }); return }
    this.#log.warn('the namespace of the workload is gone')
    this.#retry(new Error(`${this.#workload.netns} is gone`))
  }

  async #exclude (exclude: Exclusions): Promise<void> {
    try {
      await this.#capture?.exclude(rangesOf(exclude))
      this.#log.warn('exclusions have changed', { excluded: describe(exclude) })
    } catch (error) {
      this.#log.error('exclusions could not be changed; the former ones stay', { error })
    }
  }

  async #letGo (rules: 'disarm' | 'keep'): Promise<void> {
    const capture = this.#capture
    this.#capture = undefined
    if (capture === undefined) return
    if (rules === 'keep') { capture.release(); return }
    try {
      await capture.disarm()
      this.#log.info('workload is let go')
    } catch (error) {
      capture.release()
      this.#log.error('the rules could not be removed', { error })
    }
  }

  #next (ms: number, task: () => void): void {
    this.#timer?.cancel()
    if (!this.closing.aborted) this.#timer = this.#parts.node.clock.after(ms, task)
  }
}

/** Identity of a namespace: inode of the file that stands for it; `undefined` without one. */
function inodeOf (netns: string): bigint | undefined {
  return statSync(netns.startsWith('/') ? netns : `/run/netns/${netns}`, { bigint: true, throwIfNoEntry: false })?.ino
}

function rangesOf ({ inboundPorts, outboundPorts, cidrs }: Exclusions): Parameters<Capture['arm']>[0]['exclude'] {
  const range = (port: number): { from: number, to: number } => ({ from: port, to: port })
  return { inboundPorts: inboundPorts.map(range), outboundPorts: outboundPorts.map(range), cidrs }
}

/** For the log: every hole that somebody asked for. */
function describe ({ inboundPorts, outboundPorts, cidrs }: Exclusions): object {
  return { inboundPorts, outboundPorts, cidrs: cidrs.map(({ text }) => text) }
}
