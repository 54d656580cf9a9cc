/**
 * The live connections of the node, and what makes each of them be judged again.
 *
 * A connection is registered before it is judged, so no change of policy falls between the two.
 */

import { HandshakeError } from '../handshake/index.ts'
import { follow } from '../lib/follow.ts'
import { formatSocketAddress } from '../model/address.ts'
import { fateOf } from '../policy/index.ts'
import { Revocation, Revoker } from '../relay/index.ts'
import { Expiries } from './expiries.ts'
import type { Session } from '../handshake/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Mode } from '../model/mode.ts'
import type { Peer } from '../model/peer.ts'
import type { Flow } from '../observe/index.ts'
import type { PolicyDecision, PolicySet, Question } from '../policy/index.ts'
import type { Lender, Revocable } from '../relay/index.ts'
import type { StandingPermit } from './authorize.ts'
import type { LocalPod, Secured } from './pod.ts'

/** One connection under judgement. */
export interface Entry extends Revocable {
  readonly flow: Flow
  readonly pod: LocalPod
  readonly secured: Secured
  /** Where it arrives after all NAT; its port is the one that policy is asked about. */
  readonly destination: SocketAddress
  /** The decision that permitted it; none yet before that. */
  permitted: PolicyDecision | undefined
}

export interface RegistryOptions {
  /** How long a live connection may outlive a certificate, ms; `Infinity` to let it. */
  readonly graceMs: number
}

/** What hears of what ends connections. */
interface Subject {
  /** The one that is there now. */
  readonly live: Live | undefined
  /** What ends with it. */
  readonly ends: Array<() => void>
  revoke (why: Revocation): void
}

/** Follows the connections of a lent session, one after another; until it is disposed of. */
export class Following implements Subject, Disposable {
  live: Live | undefined
  readonly ends: Array<() => void> = []
  #why: Revocation | undefined

  /** Also the one of which we have not heard yet. */
  revoke (why: Revocation): void {
    this.#why ??= why
    this.live?.revoke(why)
  }

  /** The next one is there. */
  is (live: Live): void {
    this.live = live
    if (this.#why !== undefined) live.revoke(this.#why)
  }

  [Symbol.dispose] (): void { for (const end of this.ends.splice(0)) end() }
}

/** Registered until it is disposed of. */
class Live extends Revoker implements Entry, Subject, Disposable {
  readonly flow: Flow
  readonly pod: LocalPod
  readonly secured: Secured
  readonly destination: SocketAddress
  permitted: PolicyDecision | undefined
  /** The rule that denies it now lets it finish until then. */
  drain: Timer | undefined
  /** What else ends with it. */
  readonly ends: Array<() => void> = []
  readonly #all: Set<Live>

  constructor (flow: Flow, pod: LocalPod, secured: Secured, destination: SocketAddress, all: Set<Live>) {
    super()
    this.flow = flow
    this.pod = pod
    this.secured = secured
    this.destination = destination
    this.#all = all
    all.add(this)
  }

  get live (): Live { return this }

  [Symbol.dispose] (): void {
    this.#all.delete(this)
    this.drain?.cancel()
    for (const end of this.ends.splice(0)) end()
  }
}

export class Registry {
  readonly #clock: Clock
  readonly #options: RegistryOptions
  readonly #lender: Pick<Lender, 'revoke'> | undefined
  readonly #policies: () => PolicySet
  readonly #expiries: Expiries
  readonly #live = new Set<Live>()

  /** `policies` gives the policies as of now; what was lent rests on them, too. */
  constructor (policies: () => PolicySet, clock: Clock, options: RegistryOptions, lender?: Pick<Lender, 'revoke'>) {
    this.#policies = policies
    this.#clock = clock
    this.#options = options
    this.#lender = lender
    this.#expiries = new Expiries(clock)
  }

  get size (): number { return this.#live.size }

  /** Registers a connection until its `flow` closes or it is disposed of. */
  admit (flow: Flow, pod: LocalPod, secured: Secured, destination: SocketAddress): Entry & Disposable {
    const live = new Live(flow, pod, secured, destination, this.#live)
    this.#follow(live, pod, secured)
    if (secured.kind === 'verified') live.ends.push(secured.session.agreed.on(mode => { flow.modeIs(mode) }))
    return live
  }

  /** Follows what may end the connections of a session that is to be lent. */
  following (pod: LocalPod, secured: Secured): Following {
    const following = new Following()
    this.#follow(following, pod, secured)
    return following
  }

  /** Registers a connection that was begun on a standing permit; `onRevoked` is called when it must end, perhaps at once. */
  admitOn (permit: StandingPermit, following: Following, flow: Flow, pod: LocalPod, secured: Secured, destination: SocketAddress, onRevoked: (why: Revocation) => void): Disposable {
    const live = new Live(flow, pod, secured, destination, this.#live)
    live.onRevoked = onRevoked
    live.permitted = permit.decision
    following.is(live)
    if (!permit.isCurrent) this.#catchUp(live)
    return live
  }

  /** Asks policy again about every live connection for which `touches` holds. */
  rejudge (touches: (entry: Entry) => boolean = () => true): void {
    this.#lender?.revoke()
    for (const live of [...this.#live]) if (touches(live)) this.#rejudge(live)
  }

  /** Trust has changed: every proven peer must still verify. */
  reprove (): void {
    this.#lender?.revoke()
    for (const live of [...this.#live]) this.#reprove(live)
  }

  /** Shows the peers of `pod` its new certificate. */
  renew (pod: LocalPod): void {
    for (const live of this.#live) if (live.pod === pod) this.#renew(live)
  }

  /** Sorted, for people. */
  dump (): object[] {
    const rows = [...this.#live].map(({ flow, secured, destination }) => ({
      flow: flow.id, direction: flow.direction, client: formatSocketAddress(flow.addresses.client),
      destination: formatSocketAddress(destination), peer: secured.kind === 'verified' ? 'verified' : secured.peer.reason, mode: modeOf(secured),
    }))
    return rows.sort((a, b) => a.flow < b.flow ? -1 : 1)
  }

  #follow (subject: Subject, pod: LocalPod, secured: Secured): void {
    subject.ends.push(follow(pod.closing, reason => { subject.revoke(reason as Revocation) })) // the type LocalPod says so
    if (secured.kind === 'verified') this.#watch(subject, secured.session)
  }

  /** What has changed while we were told of it has found nothing here: all of it is asked now. */
  #catchUp (live: Live): void {
    this.#renew(live)
    this.#reprove(live)
    this.#rejudge(live)
  }

  #renew ({ pod, secured }: Live): void {
    const svid = pod.handshake.svids.current()
    if (svid !== undefined && secured.kind === 'verified' && !secured.session.shows(svid)) secured.session.renew(svid)
  }

  #reprove (live: Live): void {
    if (live.secured.kind !== 'verified') return
    try {
      live.secured.session.reprove()
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error
      live.revoke(new Revocation('policy-changed', `peer is no longer trusted: ${error.detail}`))
    }
  }

  #rejudge (live: Live): void {
    if (isBelow(live)) { live.revoke(new Revocation('policy-changed', 'the workload asks for encrypt now')); return }
    const decision = this.#policies().decide(questionOf(live, this.#clock.now()))
    if (decision.action === 'allow') {
      live.drain?.cancel()
      live.drain = undefined
      return
    }
    const end = (): void => {
      live.flow.decided(decision)
      live.revoke(new Revocation('policy-changed', decision.reason))
    }
    const fate = live.permitted === undefined ? { kind: 'close' as const } : fateOf(live.permitted, decision)
    switch (fate.kind) {
      case 'close': end(); break
      case 'drain': live.drain ??= this.#clock.after(fate.forMs, end); break
      case 'keep': break
    }
  }

  #watch (subject: Subject, session: Session): void {
    let callOff = this.#expire(subject, session)
    subject.ends.push(
      () => { callOff() },
      session.renewed.on(() => {
        callOff()
        callOff = this.#expire(subject, session)
        if (subject.live !== undefined) this.#rejudge(subject.live)
      }))
  }

  #expire (subject: Subject, session: Session): () => void {
    return this.#expiries.at(session.peer.notAfterMs + this.#options.graceMs, () => {
      subject.revoke(new Revocation('identity-expired', 'the certificate of the peer ended'))
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
