/** One application of a connection: does its part of the plan, and says how it ended. */

import { Content } from './content.ts'
import { dueOf } from './plan.ts'
import { codeOf } from '../../src/lib/error.ts'
import { resetSocket } from '../../src/sys/index.ts'
import type { Socket } from 'node:net'
import type { Party, Plan } from './plan.ts'

/** How long a slow reader waits after each piece, and an idle client in the middle, ms. */
const slowPauseMs = 20
const idleMs = 2000
/** A message of a chat. */
const chatBytes = 512

/** A connection on which nothing has happened for so long hangs, whatever machine this is, ms. */
const hangMs = 120_000

/** Plays `me` on a connected socket until it is gone; resolves with what was wrong, if anything. `head` was received before. */
export async function play (me: Party, plan: Plan, socket: Socket, head: Buffer = Buffer.alloc(0)): Promise<string | undefined> {
  return await new Player(me, plan, socket).play(head)
}

class Player {
  readonly #me: Party
  readonly #plan: Plan
  readonly #socket: Socket
  readonly #outgoing: Content
  readonly #incoming: Content
  /** Whether this one waits for the other's end before it sends anything. */
  readonly #speaksSecond: boolean
  readonly #isAborter: boolean
  #fault: string | undefined
  #error: string | undefined
  #heardEnd = false
  #isFull = false
  #saidEnd = false
  #guard: NodeJS.Timeout | undefined

  constructor (me: Party, plan: Plan, socket: Socket) {
    const other = me === 'client' ? 'server' : 'client'
    this.#me = me
    this.#plan = plan
    this.#socket = socket
    this.#outgoing = new Content(contentOf(plan, me), plan.bytes[me])
    this.#incoming = new Content(contentOf(plan, other), plan.bytes[other])
    this.#speaksSecond = plan.pattern === (me === 'server' ? 'request' : 'server-first')
    this.#isAborter = plan.pattern === `reset-by-${me}`
  }

  play (head: Buffer): Promise<string | undefined> {
    const socket = this.#socket
    return new Promise(resolve => {
      socket.on('data', bytes => { this.#receive(bytes) })
      socket.on('drain', () => { this.#isFull = false; this.#send() })
      socket.on('end', () => { this.#heardEnd = true; this.#send() })
      socket.on('error', reason => { this.#error ??= codeOf(reason) ?? 'error' })
      socket.once('close', () => { clearTimeout(this.#guard); resolve(this.#fault ?? this.#judge()) })
      this.#guard = setTimeout(() => { this.#giveUp() }, hangMs)
      if (head.length > 0) this.#receive(head)
      if (this.#plan.pattern === 'idle' && this.#me === 'client') setTimeout(() => { this.#send() }, idleMs)
      else this.#send()
      socket.resume()
    })
  }

  #send (): void {
    if (this.#isFull || this.#saidEnd || this.#socket.destroyed) return
    while (this.#outgoing.at < this.#allowance && !this.#isFull) {
      this.#isFull = !this.#socket.write(this.#outgoing.take(this.#allowance - this.#outgoing.at))
    }
    if (this.#outgoing.left > 0 || this.#plan.pattern.startsWith('reset') || this.#isWaiting) return
    this.#saidEnd = true
    this.#socket.end()
  }

  #receive (bytes: Buffer): void {
    const { pattern, cut } = this.#plan
    this.#guard?.refresh()
    if (!this.#incoming.matches(bytes)) {
      this.#fault ??= `wrong bytes before ${this.#incoming.at} of ${this.#incoming.length}`
      resetSocket(this.#socket)
    } else if (this.#isAborter && this.#incoming.at >= cut) {
      resetSocket(this.#socket)
    } else {
      if (pattern === `slow-${this.#me}`) this.#pause()
      this.#send()
    }
  }

  #pause (): void {
    this.#socket.pause()
    setTimeout(() => { this.#socket.resume() }, slowPauseMs)
  }

  #giveUp (): void {
    this.#fault ??= `hangs after ${this.#incoming.at} of ${this.#incoming.length} were received and ${this.#outgoing.at} of ${this.#outgoing.length} sent`
    resetSocket(this.#socket)
  }

  get #isWaiting (): boolean { return this.#speaksSecond && !this.#heardEnd }

  /** How much may have been sent by now. */
  get #allowance (): number {
    if (this.#isWaiting) return 0
    const isChatting = this.#plan.pattern === 'chat' && !this.#heardEnd
    return isChatting ? Math.min(this.#outgoing.length, this.#incoming.at + (this.#me === 'client' ? chatBytes : 0)) : this.#outgoing.length
  }

  #judge (): string | undefined {
    const due = dueOf(this.#plan, this.#me)
    const so = `${this.#error ?? (this.#heardEnd ? 'an end' : 'nothing')} after ${this.#incoming.at} of ${this.#incoming.length}`
    switch (due) {
      case 'anything': return undefined
      case 'clean': return this.#error === undefined && this.#heardEnd && this.#incoming.left === 0 && this.#outgoing.left === 0 ? undefined : so
      case 'reset': return !this.#heardEnd && ['ECONNRESET', 'EPIPE'].includes(this.#error ?? '') ? undefined : so
    }
  }
}

function contentOf ({ id }: Plan, sender: Party): number {
  return id * 2 + (sender === 'client' ? 0 : 1)
}
