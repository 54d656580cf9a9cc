/** A session that was lent to its relay thread, seen from the main thread. `../lending.ts` says what that means. */

import { FrameType, encodeReset, encodeVerdict } from '../../frames/index.ts'
import { SysError, decodeSockaddr, encodeSockaddr } from '../../sys/index.ts'
import { NativeChannel } from './channel.ts'
import { NativeConnection } from './connection.ts'
import { endingOf, hear } from './forward.ts'
import { bytesOf, octetsOf } from './octets.ts'
import type { Session } from '../../handshake/index.ts'
import type { SocketAddress } from '../../model/address.ts'
import type { Ending, Revocation } from '../ending.ts'
import type { Borrower, Loan, Repeat, RepeatEvents, Terms } from '../lending.ts'
import type { ConnectionId, LendOrder, LentFor, Report, ThreadEnding } from './protocol.ts'
import type { ForwardReport, LoanReport, RelayThread } from './thread.ts'

/** Lends `session`, which rests; `undefined` where something has come already that nobody has heard. */
export function lend (session: Session, terms: Terms, borrower: Borrower): Loan | undefined {
  const { channel } = session
  if (!(channel instanceof NativeChannel)) throw new TypeError('a session of another transport')
  if (!channel.isQuiet) {
    if (terms.serves.is === 'arriving') terms.serves.dial.netns.close()
    return undefined
  }
  return new NativeLoan(session, channel, orderOf(channel.id, terms), borrower)
}

class NativeLoan implements Loan {
  readonly #session: Session
  readonly #channel: NativeChannel
  readonly #borrower: Borrower
  #current: NativeRepeat | undefined
  #isEnded = false

  constructor (session: Session, channel: NativeChannel, order: LendOrder, borrower: Borrower) {
    this.#session = session
    this.#channel = channel
    this.#borrower = borrower
    channel.thread.loans.set(channel.id, report => { this.#hear(report) })
    channel.thread.post(order)
    const by = order.serves.is === 'dialled' ? 'server' : 'client'
    channel.forward(frame => {
      // The beginning of another connection, said before the thread had the loan, which it then gives back.
      if (frame.type === FrameType.greeting || frame.type === FrameType.verdict) { channel.putBack(frame); return }
      hear(frame, session, abort => { this.#current?.end({ kind: 'aborted', by, abort }) })
    })
  }

  end (): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#channel.thread.post({ op: 'recall', id: this.#channel.id })
  }

  #hear (report: LoanReport): void {
    switch (report.is) {
      case 'began': this.#begin(report); return
      case 'returned': {
        this.#over()
        if (this.#isEnded) void this.#session.goAway()
        else this.#borrower.returned()
        return
      }
      case 'lapsed': {
        this.#over()
        this.#channel.leave()
        this.#borrower.gone(report.isStale)
      }
    }
  }

  #begin (report: Report & { readonly is: 'began' }): void {
    this.#session.next()
    this.#current = new NativeRepeat(report, this.#channel.thread, this.#borrower, this.#onEnd)
  }

  readonly #onEnd: OnEnd = (ending, isOurs) => {
    if (ending === 'undialled') { this.#over(); this.#borrower.gone(false) }
    if (ending !== 'completed') return
    this.#session.rest()
    if (isOurs) this.end() // it was completed just before
  }

  #over (): void {
    this.#channel.thread.loans.delete(this.#channel.id)
    this.#channel.rest()
  }
}

/** Heard before anybody else hears that a connection is over; `isOurs`: it was to be ended from here. */
type OnEnd = (ending: ThreadEnding['kind'], isOurs: boolean) => void

class NativeRepeat implements Repeat {
  readonly flowId: string
  readonly remote: SocketAddress | undefined
  readonly tookMs: number
  readonly #id: ConnectionId
  readonly #thread: RelayThread
  readonly #onEnd: OnEnd
  readonly #events: RepeatEvents
  #why: Ending | undefined

  constructor ({ id, flowId, remote, tookMs }: Report & { readonly is: 'began' }, thread: RelayThread, borrower: Borrower, onEnd: OnEnd) {
    this.#id = id
    this.#thread = thread
    this.flowId = Buffer.from(flowId, 'latin1').toString('hex')
    this.remote = remote === '' ? undefined : decodeSockaddr(bytesOf(remote))
    this.tookMs = tookMs
    this.#onEnd = onEnd
    thread.forwards.set(id, report => { this.#hear(report) })
    this.#events = borrower.began(this)
  }

  revoke (revocation: Revocation): void {
    this.end({ kind: 'revoked', revocation }, encodeReset(revocation.code, revocation.message))
  }

  /** Ends it for our own reason; the thread answers with the last counts. */
  end (ending: Ending, frame?: Uint8Array): void {
    if (this.#why !== undefined) return
    this.#why = ending
    this.#thread.post({ op: 'abort', client: this.#id, ...frame !== undefined && { frame } })
  }

  #hear (report: ForwardReport): void {
    if (report.fromClient > 0) this.#events.moved('client', report.fromClient)
    if (report.fromServer > 0) this.#events.moved('server', report.fromServer)
    if (report.is !== 'ended') return
    this.#thread.forwards.delete(this.#id)
    const { ending } = report
    this.#onEnd(ending.kind, this.#why !== undefined)
    if (ending.kind === 'undialled') this.#events.undialled(new SysError('connect', ending.errno))
    else this.#events.ended(this.#why ?? endingOf(ending))
  }
}

function orderOf (id: ConnectionId, { verdict, greetings, serves, ...limits }: Terms): LendOrder {
  return {
    op: 'lend', id, ...limits,
    flowId: octetsOf(greetings.flowId), uses: greetings.uses,
    says: octetsOf(greetings.ours) + octetsOf(encodeVerdict(verdict)), expects: octetsOf(greetings.theirs),
    serves: lentFor(serves),
  }
}

function lentFor (serves: Terms['serves']): LentFor {
  if (serves.is === 'arriving') {
    const { dial: { netns, mark, source, to, ports }, dialMs } = serves
    return { is: 'arriving', netns: netns.release(), mark, source: octetsOf(encodeSockaddr({ ip: source, port: 0 })), to: octetsOf(encodeSockaddr(to)), ports, dialMs }
  }
  const { like, answerMs } = serves
  if (!(like instanceof NativeConnection) || like.accepted === undefined) throw new TypeError('a connection that this transport has not accepted')
  const { listener, local } = like.accepted
  return { is: 'dialled', listener, local, answerMs }
}
