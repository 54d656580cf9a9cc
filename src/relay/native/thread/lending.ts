/**
 * Serves connections on sessions that the main thread has lent (`relay/lending.ts` says on what terms).
 *
 *     our end is the client's                       our end is the server's
 *     accepted ─▶ greeting, verdict ─▶              greeting, verdict ─▶ greeting, verdict
 *     answer ─▶ told that it began ─▶ bytes         told that it began ─▶ dial ─▶ bytes
 *
 * Whatever is not exactly as it has to be is left to the main thread, as if nothing had been lent: it gets the accepted
 * connection, or what the other end has said. Until the answer nothing is read from the application, so nothing is lost.
 */

import { FrameType, encodeGoingAway } from '../../../frames/index.ts'
import { errnos } from '../../../sys/index.ts'
import { octetsOf } from '../octets.ts'
import { InnerDials } from './inner-dial.ts'
import { Loan, placeOf } from './loan.ts'
import { Shelf } from './shelf.ts'
import { resetSocket } from './socket.ts'
import type { Octets } from '../octets.ts'
import type { ConnectionId, LendOrder, Report, ThreadEnding } from '../protocol.ts'
import type { Visitor } from './loan.ts'
import type { Loop } from './loop.ts'
import type { Secured } from './secured.ts'
import type { RawSocket } from './socket.ts'

export interface LendingHooks {
  report (report: Report): void
  /** Reports what nobody waits for. */
  note (report: Report): void
  /** Of affairs, as of now. */
  state (): number
  /** A name for a connection that has come; `undefined` when the main thread has to hear of others first. */
  name (): ConnectionId | undefined
  /** The main thread is to serve it. */
  leave (visitor: Visitor): void
  /** Moves bytes between a lent session and a bare socket; `Lending.ended` tells the end. */
  forward (name: ConnectionId, session: ConnectionId, socket: RawSocket): void
  /** Ends a session that carries nothing. */
  drop (session: ConnectionId, how: 'reset' | 'politely'): void
}

/** How often it is looked for what waits in vain, ms: neither a rest nor an answer needs to be timed more closely. */
const lookMs = 500

export class Lending {
  readonly #loop: Loop
  readonly #hooks: LendingHooks
  readonly #loans = new Map<ConnectionId, Loan>()
  readonly #shelf = new Shelf()
  /** How the application of a server's is dialled. */
  readonly #dials = new Map<Loan, InnerDials>()
  #isLooking = false

  constructor (loop: Loop, hooks: LendingHooks) {
    this.#loop = loop
    this.#hooks = hooks
  }

  /** Throws where the terms are of no use; the session then stays where it is. */
  lend (order: LendOrder, secured: Secured): void {
    const loan = new Loan(order, secured)
    if (order.serves.is === 'arriving') this.#dials.set(loan, new InnerDials(order.serves, this.#loop))
    this.#loans.set(loan.id, loan)
    this.#rest(loan)
    if (!this.#isLooking) this.#lookLater()
  }

  recall (id: ConnectionId): void {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    if (loan.stage.is === 'resting') this.#end(loan)
    else loan.isRecalled = true
  }

  /** Whether the session is lent. */
  has (id: ConnectionId): boolean { return this.#loans.has(id) }

  /** Whether our end of a lent session is the client's. */
  isClients (id: ConnectionId): boolean { return this.#loans.get(id)?.serves.is === 'dialled' }

  /** Serves a connection that was accepted, if a session for it rests here. */
  serve (visitor: Visitor): boolean {
    if (this.#shelf.isEmpty) return false
    const place = placeOf(visitor.listener, octetsOf(visitor.local))
    for (let loan = this.#shelf.last(place); loan !== undefined; loan = this.#shelf.last(place)) {
      if (!loan.isCurrent(this.#hooks.state())) { this.#giveBack(loan); continue }
      if (loan.isWorn) { this.#end(loan); continue }
      this.#ask(loan, visitor)
      return true
    }
    return false
  }

  /** A control frame; false when the main thread is to hear it. */
  hears (id: ConnectionId, type: number, payload: Uint8Array): boolean {
    const loan = this.#loans.get(id)
    if (loan === undefined) return false
    const { stage } = loan
    if (stage.is === 'dialling' || stage.is === 'forwarding') {
      // The peer is somebody else from now on, or carries no more.
      if (type === FrameType.certificate || type === FrameType.goingAway) loan.isLast = true
      return false
    }
    if (type === FrameType.greeting && loan.greeting === undefined) loan.greeting = payload
    else if (type === FrameType.verdict && loan.greeting !== undefined && loan.verdict === undefined) loan.verdict = payload
    else if (stage.is === 'asking' || loan.serves.is === 'dialled') loan.isLast = true // a client hears nothing else but the end
    else { this.#giveBack(loan); return false }
    return true
  }

  /** The session has broken; false when the main thread is to hear it. */
  breaks (id: ConnectionId): boolean {
    const loan = this.#loans.get(id)
    if (loan === undefined) return false
    switch (loan.stage.is) {
      case 'resting':
        if (loan.greeting !== undefined) { this.#giveBack(loan); return false } // it has said something first
        this.#lapse(loan, 'reset', false)
        break
      case 'asking': // a refusal ends the session
        if (this.#isRefused(loan)) this.#answered(loan, loan.stage.visitor)
        else this.#stale(loan, loan.stage.visitor)
        break
      case 'dialling': loan.stage.dial.cancel(); this.#tellEnded(loan.stage.name, { kind: 'reset', by: 'client', detail: 'peer-closed' }); this.#lapse(loan, 'reset', false); break
      case 'forwarding': break // its legs have told it
    }
    return true
  }

  /** All that has come for now was heard. */
  turn (id: ConnectionId): void {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    const { stage } = loan
    if (stage.is === 'asking') {
      if (loan.isLast || loan.verdict !== undefined) this.#answered(loan, stage.visitor)
    } else if (stage.is === 'resting') {
      if (loan.isLast) this.#end(loan)
      else if (loan.verdict !== undefined) this.#arrived(loan)
      else if (loan.greeting !== undefined) this.#giveBack(loan) // the verdict comes with it, or is to be waited for
    }
  }

  /** What the session carried is over, and told; it is as before, or gone. */
  ended (id: ConnectionId, isThere: boolean): void {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    if (!isThere) this.#forget(loan, { is: 'lapsed', session: id, isStale: false })
    else if (loan.isRecalled || loan.isWorn) this.#end(loan)
    else if (loan.isLast) this.#giveBack(loan)
    else this.#rest(loan)
  }

  /** Ends a connection for which the application is still dialled; `frame` tells the other end. */
  abort (name: ConnectionId, frame: Uint8Array | undefined): void {
    for (const loan of this.#dials.keys()) {
      if (loan.stage.is !== 'dialling' || loan.stage.name !== name) continue
      loan.stage.dial.cancel()
      if (frame !== undefined) loan.secured.leg.control(frame)
      this.#tellEnded(name, { kind: 'aborted' })
      this.#lapse(loan, 'politely', false)
      return
    }
  }

  /** Forgets everything; the sessions are the caller's to end. */
  close (): void {
    for (const { stage } of this.#loans.values()) {
      if (stage.is === 'asking') resetSocket(stage.visitor.socket, this.#loop)
      if (stage.is === 'dialling') stage.dial.cancel()
    }
    for (const dials of this.#dials.values()) dials.close()
    this.#loans.clear()
    this.#shelf.clear()
    this.#dials.clear()
  }

  #ask (loan: Loan, visitor: Visitor): void {
    this.#shelf.remove(loan)
    loan.next()
    loan.enter({ is: 'asking', visitor })
    loan.secured.leg.control(loan.says)
    if (loan.secured.leg.failure !== undefined) this.#loop.schedule(loan.secured) // which tells
  }

  #answered (loan: Loan, visitor: Visitor): void {
    const verdict = loan.isLast || !loan.isGreetedFor('present') ? undefined : loan.answer
    if (verdict === undefined) { this.#stale(loan, visitor); return }
    this.#tellBegan(loan, visitor.id, octetsOf(visitor.remote), loan.tookMs)
    if (!verdict.accepted) { this.#refused(loan, visitor); return }
    loan.enter({ is: 'forwarding' })
    this.#hooks.forward(visitor.id, loan.id, visitor.socket)
  }

  #isRefused (loan: Loan): boolean { return !loan.isLast && loan.isGreetedFor('present') && loan.answer?.accepted === false }

  #refused (loan: Loan, { id, socket }: Visitor): void {
    resetSocket(socket, this.#loop)
    this.#tellEnded(id, { kind: 'refused', payload: loan.verdict ?? new Uint8Array(0) })
    this.#lapse(loan, 'politely', false)
  }

  /** Dead or misunderstood: the main thread tries with a fresh one. The others to that place are in doubt, too. */
  #stale (loan: Loan, visitor: Visitor): void {
    this.#lapse(loan, 'politely', true)
    for (const other of this.#shelf.like(loan)) this.#end(other)
    this.#hooks.leave(visitor)
  }

  /** The other end has begun a connection. */
  #arrived (loan: Loan): void {
    const mayBegin = loan.isCurrent(this.#hooks.state()) && !loan.isWorn && loan.isGreetedFor('next') && loan.answer?.accepted === true
    const [dials, name] = [this.#dials.get(loan), mayBegin ? this.#hooks.name() : undefined]
    if (dials === undefined || name === undefined) { this.#giveBack(loan); return }
    loan.next()
    this.#tellBegan(loan, name, '', 0)
    loan.secured.leg.control(loan.says)
    let result: RawSocket | number | undefined
    const dial = dials.start(to => {
      result = to
      if (loan.stage.is === 'dialling') this.#dialled(loan, name, to)
    })
    loan.enter({ is: 'dialling', name, dial })
    if (result !== undefined) this.#dialled(loan, name, result)
  }

  #dialled (loan: Loan, name: ConnectionId, result: RawSocket | number): void {
    if (typeof result === 'number') { this.#undialled(loan, name, result); return }
    loan.enter({ is: 'forwarding' })
    this.#hooks.forward(name, loan.id, result)
  }

  #undialled (loan: Loan, name: ConnectionId, errno: number): void {
    this.#forget(loan)
    this.#tellEnded(name, { kind: 'undialled', errno })
  }

  #rest (loan: Loan): void {
    loan.enter({ is: 'resting' })
    this.#shelf.put(loan)
  }

  /** Says that no more is carried, and ends it. */
  #end (loan: Loan): void {
    loan.secured.leg.gather(encodeGoingAway())
    this.#lapse(loan, 'politely', false)
  }

  #lapse (loan: Loan, how: 'reset' | 'politely', isStale: boolean): void {
    this.#forget(loan, { is: 'lapsed', session: loan.id, isStale })
    this.#hooks.drop(loan.id, how)
  }

  /** The main thread has it again, and hears what nobody has answered. */
  #giveBack (loan: Loan): void {
    const { id, greeting, verdict } = loan
    this.#forget(loan, { is: 'returned', session: id })
    if (greeting !== undefined) this.#hooks.report({ is: 'frame', id, type: FrameType.greeting, payload: octetsOf(greeting) })
    if (verdict !== undefined) this.#hooks.report({ is: 'frame', id, type: FrameType.verdict, payload: octetsOf(verdict) })
  }

  #forget (loan: Loan, report?: Report): void {
    this.#shelf.remove(loan)
    this.#loans.delete(loan.id)
    this.#dials.get(loan)?.close()
    this.#dials.delete(loan)
    if (report !== undefined) this.#hooks.report(report)
  }

  #tellBegan (loan: Loan, id: ConnectionId, remote: Octets, tookMs: number): void {
    this.#hooks.note({ is: 'began', id, session: loan.id, flowId: octetsOf(loan.flowId), remote, tookMs })
  }

  #tellEnded (client: ConnectionId, ending: ThreadEnding): void {
    this.#hooks.report({ is: 'ended', client, fromClient: 0, fromServer: 0, ending })
  }

  #lookLater (): void {
    this.#isLooking = true
    this.#loop.after(lookMs, () => {
      this.#isLooking = false
      this.#look()
      if (this.#loans.size > 0) this.#lookLater()
    })
  }

  #look (): void {
    const nowMs = performance.now()
    for (const loan of [...this.#loans.values()]) {
      if (!loan.isOverdue(nowMs)) continue
      const { stage } = loan
      if (stage.is === 'resting') this.#end(loan)
      else if (stage.is === 'asking') this.#stale(loan, stage.visitor)
      else if (stage.is === 'dialling') { stage.dial.cancel(); this.#undialled(loan, stage.name, errnos.ETIMEDOUT) }
    }
  }
}
