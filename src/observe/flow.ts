/**
 * What is known of one connection, growing until the connection has ended; then it is one record.
 *
 * `using flow = recorder.open(…)`: whatever happens, exactly one record is written. Leaving the scope without
 * `close` is a fault of ours and is recorded as `internal-error`.
 */

import { formatSocketAddress } from '../model/address.ts'
import { formatSpiffeId } from '../model/spiffe-id.ts'
import { formatRuleName } from '../model/verdict.ts'
import type { ClientAddress, OriginalDestination, SocketAddress } from '../model/address.ts'
import type { Direction, FlowEnd, FlowRecord } from '../model/flow.ts'
import type { Mode } from '../model/mode.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Peer } from '../model/peer.ts'
import type { Decision } from '../model/verdict.ts'
import type { Identity } from '../model/workload.ts'

/** The addresses that are known when the socket is accepted. */
export interface FlowAddresses {
  readonly client: ClientAddress
  readonly originalDestination: OriginalDestination
}

/** Whose connection it is. */
export interface FlowParties {
  readonly local: Identity | undefined
  readonly remote: Identity | undefined
}

/** What a flow tells its recorder. */
export interface FlowEvents {
  /** Milliseconds that never go backwards. */
  monotonic (): number
  /** A name that no other flow has; asked for only where the two agents do not agree on one. */
  makeId (): string
  moved (way: 'sent' | 'received', bytes: number): void
  /** Called exactly once; `time` and `node` are the recorder's to add. */
  ended (flow: Flow, record: Omit<FlowRecord, 'time' | 'node'>): void
  fault (fault: 'flow-closed-twice' | 'flow-left-open'): void
}

const nobody: Omit<FlowEnd, 'address'> = { spiffeId: '', cluster: '', namespace: '', name: '', labels: {} }

export class Flow implements Disposable {
  readonly direction: Direction
  readonly addresses: FlowAddresses
  readonly #events: FlowEvents
  readonly #startMs: number
  #id: string | undefined
  #mode: Mode = 'plain'
  #local: Identity | undefined
  #remote: Identity | undefined
  #peer = ''
  #realDestination = ''
  #verdict: FlowRecord['verdict'] = 'undecided'
  #decidedBy = ''
  #reason = ''
  #observed = ''
  #peerLabels: readonly string[] = []
  #sent = 0
  #received = 0
  #establishedMs: number | undefined
  #closed = false

  /** Made by `FlowRecorder.open` only. */
  constructor (direction: Direction, addresses: FlowAddresses, events: FlowEvents, agoMs: number) {
    this.direction = direction
    this.addresses = addresses
    this.#events = events
    this.#startMs = events.monotonic() - agoMs
  }

  /** 32 hex digits; the inbound end takes over the one that the outbound end told in its greeting. */
  get id (): string { return this.#id ??= this.#events.makeId() }
  get closed (): boolean { return this.#closed }
  /** Who is at the ends, as far as it is known: the local pod, and whoever has proven to be at the other one. */
  get parties (): FlowParties { return { local: this.#local, remote: this.#remote } }
  /** Application bytes so far, towards the destination and towards the source. */
  get bytes (): { readonly sent: number, readonly received: number } { return { sent: this.#sent, received: this.#received } }

  identifiedAs (id: string): void { this.#id = id }
  /** The local pod. */
  local (identity: Identity): void { this.#local = identity }
  modeIs (mode: Mode): void { this.#mode = mode }
  /** Where it arrived after all NAT. */
  arrivesAt (destination: SocketAddress): void { this.#realDestination = formatSocketAddress(destination) }

  /** The other end, proven or not. */
  remote (peer: Peer): void {
    this.#peer = peer.kind === 'verified' ? 'verified' : peer.reason
    this.#remote = peer.kind === 'verified' ? peer.identity : undefined
  }

  /** Policy at this end spoke; the last word counts, so a later denial of the live connection replaces the permit. */
  decided (decision: Decision): void {
    this.#verdict = decision.action === 'allow' ? 'allowed' : 'denied'
    this.#decidedBy = formatRuleName(decision.decidedBy)
    this.#reason = decision.reason
    this.#peerLabels = decision.peerLabels
    this.#observed = decision.observed === undefined ? '' : `${decision.observed.action} by ${formatRuleName(decision.observed.decidedBy)}`
    this.#established()
  }

  /** Policy at the other end denied it; `rule` and `reason` are the other agent's words, bounded by the codec. */
  deniedByPeer (rule: string, reason: string): void {
    this.#verdict = 'denied'
    this.#decidedBy = rule
    this.#reason = reason
    this.#established()
  }

  /** Application bytes that were forwarded since the last call. */
  moved (way: 'sent' | 'received', bytes: number): void {
    if (way === 'sent') this.#sent += bytes
    else this.#received += bytes
    this.#events.moved(way, bytes)
  }

  /** The connection has ended. The first close counts; another one is counted as a fault and does nothing. */
  close (outcome: Outcome, detail = ''): void {
    if (this.#closed) { this.#events.fault('flow-closed-twice'); return }
    this.#closed = true
    this.#events.ended(this, this.#record(outcome, detail))
  }

  [Symbol.dispose] (): void {
    if (this.#closed) return
    this.#events.fault('flow-left-open')
    this.close('internal-error', 'left without an outcome')
  }

  #established (): void { this.#establishedMs ??= this.#events.monotonic() }

  #record (outcome: Outcome, detail: string): Omit<FlowRecord, 'time' | 'node'> {
    const endMs = this.#events.monotonic()
    const { client, originalDestination } = this.addresses
    const [local, remote] = [endOf(this.#local), endOf(this.#remote)]
    const [source, destination] = this.direction === 'inbound' ? [remote, local] : [local, remote]
    return {
      flow: this.id,
      direction: this.direction,
      mode: this.#mode,
      source: { ...source, address: formatSocketAddress(client) },
      destination: { ...destination, address: this.#realDestination === '' ? formatSocketAddress(originalDestination) : this.#realDestination },
      originalDestination: formatSocketAddress(originalDestination),
      realDestination: this.#realDestination,
      peer: this.#peer,
      verdict: this.#verdict,
      decidedBy: this.#decidedBy,
      reason: this.#reason,
      peerLabels: this.#peerLabels,
      observed: this.#observed,
      outcome,
      detail,
      bytesSent: this.#sent,
      bytesReceived: this.#received,
      establishMs: round((this.#establishedMs ?? endMs) - this.#startMs),
      durationMs: round(endMs - this.#startMs),
    }
  }
}

const ends = new WeakMap<Identity, Omit<FlowEnd, 'address'>>()

/** Identities live long and never change: each is put into words once. */
function endOf (identity: Identity | undefined): Omit<FlowEnd, 'address'> {
  if (identity === undefined) return nobody
  const known = ends.get(identity)
  if (known !== undefined) return known
  const { cluster, namespace, name, labels } = identity.attributes
  const end = { spiffeId: formatSpiffeId(identity.spiffeId), cluster, namespace, name, labels }
  ends.set(identity, end)
  return end
}

/** Microseconds are enough, and keep the line short. */
function round (ms: number): number {
  return Math.round(ms * 1000) / 1000
}
