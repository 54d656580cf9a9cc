/**
 * One local workload from the moment it is known until it is gone: its namespace (holding.ts), a certificate, and what
 * its connections ask of it.
 */

import { SvidRotation } from '../identity/index.ts'
import { messageOf } from '../lib/error.ts'
import { podName } from '../model/occurrence.ts'
import { Places } from '../proxy/index.ts'
import { Revocation } from '../relay/index.ts'
import { Holding } from './holding.ts'
import { nobodysNode } from './peering.ts'
import { serveListeners } from './pod-listeners.ts'
import type { Capture, InnerDial, PodCapture } from '../capture/index.ts'
import type { ClusterChange, LocalWorkload } from '../cluster/index.ts'
import type { HandshakeParts } from '../handshake/index.ts'
import type { RotationOptions, RotationParts, Svid } from '../identity/index.ts'
import type { OriginalDestination, SocketAddress } from '../model/address.ts'
import type { OccurrenceReason } from '../model/occurrence.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Identity } from '../model/workload.ts'
import type { Log, Metrics, Occurrences, Readiness } from '../observe/index.ts'
import type { LocalPod, NodeParts } from '../proxy/index.ts'
import type { Connection } from '../relay/index.ts'
import type { Fd } from '../sys/index.ts'
import type { HoldingState } from './holding.ts'
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
  /** `HandshakeParts.resumeForMs` */
  readonly resumeForMs: number
  readonly rotation: RotationOptions
  /** Most open connections. */
  readonly connections: number
  /** Most handshakes under way. */
  readonly handshakes: number
}

export type WorkloadChange = ClusterChange & { readonly kind: 'workload-changed' }

export class EnforcedPod implements LocalPod {
  readonly places: Places
  readonly handshakes: Places
  readonly handshake: HandshakeParts
  readonly #parts: EnforcedPodParts
  readonly #log: Log
  readonly #svids: SvidRotation
  readonly #holding: Holding
  readonly #closing = new AbortController()
  #workload: LocalWorkload

  constructor (workload: LocalWorkload, options: EnforcedPodOptions, parts: EnforcedPodParts) {
    const { node, capture, readiness, identity } = parts
    this.#workload = workload
    this.#parts = parts
    this.#log = parts.log.child({ workload: workload.key })
    this.places = new Places(options.connections)
    this.handshakes = new Places(options.handshakes)
    this.#svids = new SvidRotation(workload.identity, identity, options.rotation)
    const mode = (): SecureMode => this.mode
    this.handshake = { svids: this.#svids, trust: identity.trust, clock: node.clock, groups: options.groups, resumeForMs: options.resumeForMs, get mode () { return mode() } }
    this.#holding = new Holding(workload, {
      capture, readiness, clock: node.clock, log: this.#log, closing: this.closing,
      certified: () => this.#svids.ready(this.closing),
      unsettled: () => { node.idle.drop(this) }, // their sockets are of the namespace that is gone, or their dials of the rules that were
      notCaptured: why => { this.#tell('NotCaptured', why) },
      serve: held => serveListeners(held, this, node, this.#log),
    })
  }

  get state (): HoldingState { return this.#holding.state }
  /** Rules of ours, or of another agent that lives, are in force. */
  get captured (): boolean { return this.state !== 'waiting' }
  /** Resolves when the rules have been loaded for the first time: from then on everything is judged or held. */
  get guarded (): Promise<void> { return this.#holding.guarded }
  /** Connections that nobody has taken from the kernel yet. */
  get queued (): number { return this.#holding.queued }
  get workload (): LocalWorkload { return this.#workload }
  /** The least that it is content with, and that can be had. */
  get mode (): SecureMode { return this.#parts.node.transport.leavesTls ? this.#workload.mode : 'encrypt' }
  get closing (): AbortSignal { return this.#closing.signal }
  /** End of the certificate; `undefined` without one. */
  get notAfterMs (): number | undefined { return this.#svids.current()?.notAfterMs }

  identity (): Identity { return this.#workload.identity }

  /** Begins; readiness tells by name what is still awaited. */
  start (): void {
    const { readiness, metrics } = this.#parts
    readiness.awaits(this.#certificate, 'not issued yet')
    this.#svids.onChange(svid => { this.#certified(svid) })
    this.#svids.onFailure(error => {
      metrics.certificateFailed()
      if (this.#svids.current() === undefined) this.#tell('NoCertificate', messageOf(error))
      this.#log.error('no certificate could be issued; it is tried again', { error })
    })
    if (this.mode !== this.#workload.mode) this.#tellMode('this relay cannot leave TLS (relay.kind)')
    this.#svids.start()
    this.#holding.start()
  }

  /** The workload has other facts now. The caller judges its live connections again. */
  change ({ workload, identity, exclusions, mode }: WorkloadChange): void {
    this.#workload = workload
    if (identity) this.#svids.refresh(workload.identity)
    if (mode) this.#tellMode('the mode has changed')
    this.#holding.change(workload, exclusions)
  }

  /** Takes nothing new: it is held by the rules, or another agent's. What the kernel has accepted is still served. */
  refuseNew (): void { this.#holding.refuseNew() }

  /** Accepts nothing more; what nobody has taken by now is reset. */
  stopListening (): void { this.#holding.stopListening() }

  /**
   * Ends service: connections are closed with `why`. `disarm` takes the rules out of the namespace; `keep` leaves
   * them, so that new connections are held until somebody serves them again.
   */
  async leave (rules: 'disarm' | 'keep', why: Revocation): Promise<void> {
    this.#closing.abort(why)
    this.#svids.stop()
    this.#parts.readiness.met(this.#certificate) // at once: the next workload of this name awaits the same
    await this.#holding.leave(rules)
    this.#parts.metrics.workloadForgotten(this.#workload.key)
  }

  async dialOut (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection> {
    return await this.#held().dialOut(client.remote.ip, to, this.#connect(client, signal))
  }

  async dialPod (client: Connection, to: OriginalDestination, signal: AbortSignal): Promise<Connection> {
    return await this.#held().dialPod(client.remote, to, this.#connect(client, signal))
  }

  innerDial (client: Connection, to: OriginalDestination): InnerDial | undefined { return this.#holding.capture?.innerDial(client.remote, to) }

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

  #tellMode (what: string): void {
    this.#log.warn(what, { mode: this.mode, askedFor: this.#workload.mode })
  }

  get #certificate (): string { return `certificate of ${this.#workload.key}` }

  #held (): PodCapture {
    const { capture } = this.#holding
    if (capture === undefined) throw new Revocation('workload-gone', 'the namespace is gone')
    return capture
  }

  #certified (svid: Svid | undefined): void {
    const { readiness, metrics, node } = this.#parts
    if (this.closing.aborted) return
    if (svid === undefined) { readiness.awaits(this.#certificate, 'none that is valid'); return }
    readiness.met(this.#certificate)
    metrics.certificateIssued(this.#workload.key, svid.notAfterMs)
    node.registry.renew(this)
  }
}
