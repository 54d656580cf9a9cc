/**
 * What follows on a session that was lent: begun by a relay thread on a standing permit, and here all that every other
 * connection has, a moment later: a place, a registration under which it is judged again, one record.
 */

import { addressesOf, answerMs } from './begin.ts'
import { authorizeNext } from './authorize.ts'
import { closeOf } from './forward.ts'
import { outcomeOfError, resetReasonOf } from './outcome-of.ts'
import { peerOf } from './registry.ts'
import type { Session } from '../handshake/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Direction } from '../model/flow.ts'
import type { Peer } from '../model/peer.ts'
import type { Flow, FlowAddresses } from '../observe/index.ts'
import type { Connection, Ending, Limits, Loan, Repeat, RepeatEvents, Serves, Side } from '../relay/index.ts'
import type { StandingPermit } from './authorize.ts'
import type { Close } from './outcome-of.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'
import type { Entry, Following } from './registry.ts'

/** What whoever keeps the session hears of a loan. */
export interface Keeper {
  /** A connection has begun on it. */
  begun (): void
  /** That is over, and it rests. */
  rests (): void
  /** It is lent no longer, and rests. */
  returned (): void
  /** It is gone, or about to be ended by us. */
  gone (isStale: boolean): void
}

/** Lends the session to those who move the bytes; `undefined` where that is not to be had now. */
export type Offer = (limits: Limits, keeper: Keeper) => Loan | undefined

/**
 * What may follow on the session of a connection that is over; `client` is the end that we accepted. Policy is asked when
 * the session is lent: many are not kept.
 */
export function offerNext (entry: Entry, client: Connection, node: NodeParts): Offer {
  return (limits, keeper) => {
    const permit = authorizeNext(entry, node)
    if (permit === undefined || entry.secured.kind === 'plain') return undefined
    return new Repeats(entry, entry.secured.session, client, permit, node).lend(limits, keeper)
  }
}

/** All that the connections on one loan have in common. The entry that it began with is over, and not kept. */
class Repeats {
  readonly direction: Direction
  readonly pod: LocalPod
  readonly secured: Secured
  readonly session: Session
  readonly destination: SocketAddress
  readonly peer: Peer
  readonly permit: StandingPermit
  readonly node: NodeParts
  readonly #client: Connection
  readonly #addresses: FlowAddresses

  constructor ({ flow, pod, secured, destination }: Entry, session: Session, client: Connection, permit: StandingPermit, node: NodeParts) {
    this.direction = flow.direction
    this.pod = pod
    this.secured = secured
    this.session = session
    this.destination = destination
    this.peer = peerOf(secured, flow)
    this.permit = permit
    this.node = node
    this.#client = client
    this.#addresses = addressesOf(client)
  }

  lend (limits: Limits, keeper: Keeper): Loan | undefined {
    const { session, permit: { message: verdict, state, untilMs }, node: { lender } } = this
    const serves = lender === undefined ? undefined : this.#serves()
    if (lender === undefined || serves === undefined) return undefined
    const greetings = session.pattern(this.#addresses.originalDestination)
    const following = this.node.registry.following(this.pod, this.secured)
    const loan = lender.lend(session, { verdict, state, untilMs, greetings, serves, ...limits }, {
      began: repeat => { keeper.begun(); return new Repeated(repeat, this, following, keeper) },
      returned: () => { following[Symbol.dispose](); keeper.returned() },
      gone: isStale => {
        following[Symbol.dispose]()
        if (isStale) this.node.metrics.sessionUsed(this.direction, 'stale')
        keeper.gone(isStale)
      },
    })
    if (loan === undefined) following[Symbol.dispose]()
    return loan
  }

  /** Of one that was accepted from `remote`, or has arrived where those before it have. */
  addressesOf (remote: SocketAddress | undefined): FlowAddresses {
    return remote === undefined ? this.#addresses : { ...this.#addresses, client: remote }
  }

  #serves (): Serves | undefined {
    if (this.direction === 'outbound') return { is: 'dialled', like: this.#client, answerMs }
    const dial = this.pod.innerDial(this.#client, this.#addresses.originalDestination)
    return dial === undefined ? undefined : { is: 'arriving', dial, dialMs: this.node.timeouts.connectMs }
  }
}

/** One of them. */
class Repeated implements RepeatEvents {
  readonly #flow: Flow
  readonly #place: Disposable
  readonly #entry: Disposable
  readonly #session: Session
  readonly #keeper: Keeper

  constructor (repeat: Repeat, repeats: Repeats, following: Following, keeper: Keeper) {
    const { direction, pod, secured, session, destination, peer, permit, node } = repeats
    const flow = node.recorder.open(direction, repeats.addressesOf(repeat.remote), repeat.tookMs)
    flow.local(pod.identity())
    flow.modeIs('encrypt')
    flow.identifiedAs(repeat.flowId)
    flow.remote(peer)
    flow.arrivesAt(destination)
    flow.decided(permit.decision)
    this.#flow = flow
    this.#session = session
    this.#keeper = keeper
    this.#place = pod.places.occupy()
    this.#entry = node.registry.admitOn(permit, following, flow, pod, secured, destination, why => { repeat.revoke(why) })
    node.metrics.sessionUsed(direction, 'reused')
  }

  readonly moved = (from: Side, bytes: number): void => { this.#flow.moved(from === 'client' ? 'sent' : 'received', bytes) }

  ended (ending: Ending): void {
    if (ending.kind === 'completed') this.#keeper.rests()
    this.#close(closeOf(ending, this.#flow))
  }

  undialled (error: Error): void {
    const close = outcomeOfError(error)
    void this.#session.abort(resetReasonOf(close), close.detail)
    this.#close(close)
  }

  #close ({ outcome, detail }: Close): void {
    this.#flow.close(outcome, detail)
    this.#entry[Symbol.dispose]()
    this.#place[Symbol.dispose]()
  }
}
