/** One session that this thread may go on using, and what it carries now. */

import { GreetingPattern, flowIdOf } from '../../../frames/index.ts'
import { AF_INET } from '../../../sys/index.ts'
import { bytesOf } from '../octets.ts'
import type { VerdictMessage } from '../../../frames/index.ts'
import type { Octets } from '../octets.ts'
import type { ConnectionId, LendOrder, LentFor } from '../protocol.ts'
import type { InnerDial } from './inner-dial.ts'
import type { Secured } from './secured.ts'
import type { RawSocket } from './socket.ts'

/** A connection that was accepted, and that nobody serves yet. */
export interface Visitor {
  readonly id: ConnectionId
  readonly listener: number
  readonly socket: RawSocket
  readonly local: Uint8Array
  readonly remote: Uint8Array
}

export type LoanStage =
  | { readonly is: 'resting' }
  /** Our end, a client's, has greeted, and waits for the answer. */
  | { readonly is: 'asking', readonly visitor: Visitor }
  /** Our end, a server's, has agreed, and dials the application. */
  | { readonly is: 'dialling', readonly name: ConnectionId, readonly dial: InnerDial }
  | { readonly is: 'forwarding' }

export class Loan {
  readonly id: ConnectionId
  readonly secured: Secured
  readonly serves: LentFor
  /** Where a client's takes what is accepted. */
  readonly place: string | undefined
  stage: LoanStage = { is: 'resting' }
  /** When the stage began, of `performance.now`. */
  sinceMs = performance.now()
  /** It has to be ended: nobody wants it any more, or what it carries is the last. */
  isRecalled = false
  isLast = false
  /** Payloads of what the other end has said of the connection that begins. */
  greeting: Uint8Array | undefined
  verdict: Uint8Array | undefined
  readonly #terms: LendOrder
  readonly #first: Uint8Array
  readonly #says: GreetingPattern
  readonly #expects: GreetingPattern
  readonly #agesAtMs: number
  #uses: number
  #flowId: Uint8Array
  /** Of the next connection, when somebody has asked. */
  #made: Uint8Array | undefined

  constructor (terms: LendOrder, secured: Secured) {
    this.id = terms.id
    this.secured = secured
    this.serves = terms.serves
    this.place = terms.serves.is === 'dialled' ? placeOf(terms.serves.listener, terms.serves.local) : undefined
    this.#terms = terms
    this.#first = bytesOf(terms.flowId)
    this.#says = new GreetingPattern(bytesOf(terms.says))
    this.#expects = new GreetingPattern(bytesOf(terms.expects))
    this.#agesAtMs = this.sinceMs + terms.ageMs
    this.#uses = terms.uses
    this.#flowId = flowIdOf(this.#first, terms.uses)
  }

  /** Whether what was decided still holds, `state` being the one of now. */
  isCurrent (state: number): boolean {
    return state === this.#terms.state && Date.now() < this.#terms.untilMs
  }

  /** Whether it has carried enough. */
  get isWorn (): boolean { return this.#uses > this.#terms.mostUses || performance.now() >= this.#agesAtMs }

  /** Whether it is time to give up what it waits for. */
  isOverdue (nowMs: number): boolean {
    const { serves, stage } = this
    switch (stage.is) {
      case 'resting': return nowMs - this.sinceMs > this.#terms.restMs
      case 'asking': return serves.is === 'dialled' && nowMs - this.sinceMs > serves.answerMs
      case 'dialling': return serves.is === 'arriving' && nowMs - this.sinceMs > serves.dialMs
      case 'forwarding': return false
    }
  }

  get tookMs (): number { return performance.now() - this.sinceMs }

  enter (stage: LoanStage): void {
    this.stage = stage
    this.sinceMs = performance.now()
    if (stage.is === 'resting') this.greeting = this.verdict = undefined
  }

  /** Of the present connection, or of the last one. */
  get flowId (): Uint8Array { return this.#flowId }

  /** Begins another connection. */
  next (): void {
    this.#flowId = this.#nextFlowId
    this.#uses++
    this.#made = undefined
  }

  /** What our end says to the present connection: greeting and verdict. */
  get says (): Uint8Array { return this.#says.with(this.#flowId) }

  /** Whether the greeting that was heard is that of the present connection, or of the next one. */
  isGreetedFor (which: 'present' | 'next'): boolean {
    return this.greeting !== undefined && this.#expects.matches(this.greeting, which === 'present' ? this.#flowId : this.#nextFlowId)
  }

  /** The verdict that was heard, if it is one. */
  get answer (): VerdictMessage | undefined { return this.verdict === undefined ? undefined : this.secured.leg.verdict }

  get #nextFlowId (): Uint8Array { return this.#made ??= flowIdOf(this.#first, this.#uses + 1) }
}

/** A listener and what was dialled there: the same for all that may follow one another. Of a sockaddr_in half is padding. */
export function placeOf (listener: number, local: Octets): string {
  return `${listener} ${local.charCodeAt(0) === AF_INET ? local.slice(0, 8) : local}`
}
