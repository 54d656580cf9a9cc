/**
 * The live connections of the node, and what makes each of them be judged again.
 *
 * A connection is registered before it is judged, so no change of policy falls between the two.
 */

import { HandshakeError } from '../handshake/index.ts'
import { follow } from '../lib/follow.ts'
import { formatSocketAddress } from '../model/address.ts'
import { fateOf } from '../policy/index.ts'
import { Revocation } from '../relay/index.ts'
import { Expiries } from './expiries.ts'
import type { Session } from '../handshake/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Mode } from '../model/mode.ts'
import type { Peer } from '../model/peer.ts'
import type { Flow } from '../observe/index.ts'
import type { PolicyDecision, PolicySet, Question } from '../policy/index.ts'
import type { RevokeSignal } from '../relay/index.ts'
import type { LocalPod, Secured } from './pod.ts'

/** One connection under judgement. */
export interface Entry {
  readonly flow: Flow
  readonly pod: LocalPod
  readonly secured: Secured
  /** Where it arrives after all NAT; its port is the one that policy is asked about. */
  readonly destination: SocketAddress
  /** Aborts, with a Revocation, when the connection must end. */
  readonly revoked: RevokeSignal
  /** The decision that permitted it; none yet before that. */
  permitted: PolicyDecision | undefined
}

export interface RegistryOptions {
  /** How long a live connection may outlive a certificate, ms; `Infinity` to let it. */
  readonly graceMs: number
}

/** Registered until it is disposed of. */
class Live implements Entry, Disposable {
  readonly flow: Flow
  readonly pod: LocalPod
  readonly secured: Secured
  readonly destination: SocketAddress
  readonly controller = new AbortController()
  permitted: PolicyDecision | undefined
  /** The rule that denies it now lets it finish until then. */
  drain: Timer | undefined
  /** What else ends with it. */
  readonly ends: Array<() => void> = []
  readonly #all: Set<Live>

  constructor (flow: Flow, pod: LocalPod, secured: Secured, destination: SocketAddress, all: Set<Live>) {
    this.flow = flow
    this.pod = pod
    this.secured = secured
    this.destination = destination
    this.#all = all
    all.add(this)
  }

  get revoked (): RevokeSignal { return this.controller.signal }

  [Symbol.dispose] (): void {
    this.#all.delete(this)
    this.drain?.cancel()
    for (const end of this.ends.splice(0)) end()
  }
}

export class Registry {
  readonly #clock: Clock
  readonly #options: RegistryOptions
  readonly #policies: () => PolicySet
  readonly #expiries: Expiries
  readonly #live = new Set<Live>()

  /** `policies` gives the policies as of now. */
  constructor (policies: () => PolicySet, clock: Clock, options: RegistryOptions) {
    this.#policies = policies
    this.#clock = clock
    this.#options = options
    this.#expiries = new Expiries(clock)
  }

  get size (): number { return this.#live.size }

  /** Registers a connection until its `flow` closes or it is disposed of. */
  admit (flow: Flow, pod: LocalPod, secured: Secured, destination: SocketAddress): Entry & Disposable {
    const live = new Live(flow, pod, secured, destination, this.#live)
    live.ends.push(follow(pod.closing, reason => { live.controller.abort(reason) }))
    if (secured.kind === 'verified') this.#watch(live, secured.session)
    return live
  }

  /** Asks policy again about every live connection for which `touches` holds. */
  rejudge (touches: (entry: Entry) => boolean = () => true): void {
    for (const live of [...this.#live]) if (touches(live)) this.#rejudge(live)
  }

  /** Trust has changed: every proven peer must still verify. */
  reprove (): void {
    for (const live of [...this.#live]) {
      if (live.secured.kind !== 'verified') continue
      try {
        live.secured.session.reprove()
      } catch (error) {
        if (!(error instanceof HandshakeError)) throw error
        live.controller.abort(new Revocation('policy-changed', `peer is no longer trusted: ${error.detail}`))
      }
    }
  }

  /** Shows the peers of `pod` its new certificate. */
  renew (pod: LocalPod): void {
    const svid = pod.handshake.svids.current()
    if (svid === undefined) return
    for (const { pod: owner, secured } of this.#live) if (owner === pod && secured.kind === 'verified') secured.session.renew(svid)
  }

  /** Sorted, for people. */
  dump (): object[] {
    const rows = [...this.#live].map(({ flow, secured, destination }) => ({
      flow: flow.id, direction: flow.direction, client: formatSocketAddress(flow.addresses.client),
      destination: formatSocketAddress(destination), peer: secured.kind === 'verified' ? 'verified' : secured.peer.reason, mode: modeOf(secured),
    }))
    return rows.sort((a, b) => a.flow < b.flow ? -1 : 1)
  }

  #rejudge (live: Live): void {
    if (isBelow(live)) { live.controller.abort(new Revocation('policy-changed', 'the workload asks for encrypt now')); return }
    const decision = this.#policies().decide(questionOf(live, this.#clock.now()))
    if (decision.action === 'allow') {
      live.drain?.cancel()
      live.drain = undefined
      return
    }
    const end = (): void => {
      live.flow.decided(decision)
      live.controller.abort(new Revocation('policy-changed', decision.reason))
    }
    const fate = live.permitted === undefined ? { kind: 'close' as const } : fateOf(live.permitted, decision)
    switch (fate.kind) {
      case 'close': end(); break
      case 'drain': live.drain ??= this.#clock.after(fate.forMs, end); break
      case 'keep': break
    }
  }

  #watch (live: Live, session: Session): void {
    let callOff = this.#expire(live, session)
    live.ends.push(
      () => { callOff() },
      session.agreed.on(mode => { live.flow.modeIs(mode) }),
      session.renewed.on(() => {
        callOff()
        callOff = this.#expire(live, session)
        this.#rejudge(live)
      }))
  }

  #expire (live: Live, session: Session): () => void {
    return this.#expiries.at(session.peer.notAfterMs + this.#options.graceMs, () => {
      live.controller.abort(new Revocation('identity-expired', 'the certificate of the peer ended'))
    })
  }
}

/** What policy is asked about a connection: the pod as it is now, the peer as it was last proven. */
export function questionOf ({ flow, pod, secured, destination }: Entry, nowMs: number): Question {
  const subject = pod.identity()
  const peer = peerOf(secured, flow)
  const server = flow.direction === 'inbound' ? subject : peer.kind === 'verified' ? peer.identity : undefined
  return {
    direction: flow.direction === 'inbound' ? 'ingress' : 'egress',
    subject,
    peer,
    protocol: 'TCP',
    port: destination.port,
    destinationPorts: server?.attributes.ports ?? [],
    nowMs,
    mode: modeOf(secured),
  }
}

/**
 * How the connection is carried. As long as the other end has not spoken, what ours would be content with: policy is
 * asked about the least that it may come to.
 */
function modeOf (secured: Secured): Mode {
  return secured.kind === 'verified' ? secured.session.mode : 'plain'
}

/** Whether the pod has come to ask for more than the connection has. */
function isBelow ({ pod, secured }: Entry): boolean {
  return modeOf(secured) === 'authenticate' && pod.handshake.mode === 'encrypt'
}

/** The peer as policy and records see it. */
export function peerOf (secured: Secured, flow: Flow): Peer {
  if (secured.kind === 'plain') return secured.peer
  const { identity, notAfterMs } = secured.session.peer
  const { client, originalDestination } = flow.addresses
  return { kind: 'verified', identity, notAfterMs, ip: (flow.direction === 'inbound' ? client : originalDestination).ip }
}
