/**
 * Sessions that rest between two connections.
 *
 * The client's end keeps them for the next connection of the same pod to the same destination as it was dialled, one
 * at a time; the server's end waits for that connection to begin. Each of the two ends a session when it has rested
 * for too long, is too old or has carried enough; when there are too many, the one that has rested longest; and all
 * of a pod when its certificate, its labels, or trust change, or when it goes away. The other end is told first.
 *
 * Where the transport can, what rests is lent to it meanwhile, and it serves the next connections by itself (repeats.ts).
 * Then it ends the session in time; here is known which there are, and what ends them all.
 *
 * A session belongs to the pod whose certificate it was opened with, so it is kept under that pod itself and never
 * under an address: pods of a node may have equal ones. What it may carry is judged anew each time, by what both ends
 * are then (`authorize`); nothing here allows anything.
 */

import { FrameType } from '../handshake/index.ts'
import { formatSocketAddress, sameSocketAddress } from '../model/address.ts'
import type { Session } from '../handshake/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { OriginalDestination } from '../model/address.ts'
import type { Direction } from '../model/flow.ts'
import type { Lender, Loan } from '../relay/index.ts'
import type { LocalPod } from './pod.ts'
import type { Offer } from './repeats.ts'

export interface ReuseOptions {
  /** How many connections a session may carry after its first; 0: every connection has a session of its own. */
  readonly uses: number
  /** How long a session may rest, ms. */
  readonly idleMs: number
  /** How old a session may become before the next connection takes a fresh one, ms. */
  readonly ageMs: number
  /**
   * The same where the destination was rewritten on the way. Its age and not its rest: else a client that is never
   * quiet would never have its balancer choose anew.
   */
  readonly rewrittenAgeMs: number
  /** Most resting sessions of a pod, and of the node: each costs both agents a socket and some memory. */
  readonly perPod: number
  readonly perNode: number
}

interface Idle {
  readonly pod: LocalPod
  readonly session: Session
  readonly direction: Direction
  /** As it was dialled; `undefined` at a server's end. */
  readonly to: OriginalDestination | undefined
  /** The same as text, or empty. */
  readonly key: string
  readonly restMs: number
  readonly ageMs: number
  /** Called once: whether another connection begins. */
  readonly done: (isNext: boolean) => void
  readonly offer: Offer | undefined
  loan?: Loan | undefined
  timer?: Timer
  hush?: () => void
}

/** What rests of one pod. */
interface Shelf {
  /** The one that rests longest is first. */
  readonly all: Set<Idle>
  /** A client's, by destination; the last one is taken first, so that a burst leaves the others to their end. */
  readonly stacks: Map<string, Idle[]>
}

/** The server waits longer than the client: so it is the client that ends a session, and no connection meets the end half-way. */
const serverPatience = 1.5

export class IdleSessions {
  readonly #options: ReuseOptions
  readonly #clock: Clock
  readonly #lender: Pick<Lender, 'revoke'> | undefined
  readonly #all = new Set<Idle>()
  readonly #shelves = new Map<LocalPod, Shelf>()
  readonly #counts = { inbound: 0, outbound: 0 }
  #isClosed = false

  constructor (options: ReuseOptions, clock: Clock, lender?: Pick<Lender, 'revoke'>) {
    this.#options = options
    this.#clock = clock
    this.#lender = lender
  }

  /** How many rest now. */
  get counts (): Readonly<Record<Direction, number>> { return this.#counts }

  /** Client's end: keeps a session that rests for the next connection of `pod` to `to`, or ends it. */
  keep (session: Session, pod: LocalPod, to: OriginalDestination, offer?: Offer): void {
    const { idleMs: restMs, ageMs, rewrittenAgeMs } = this.#options
    const isRewritten = session.reached === undefined || !sameSocketAddress(session.reached, to)
    this.#hold({ pod, session, direction: 'outbound', to, key: formatSocketAddress(to), restMs, ageMs: isRewritten ? rewrittenAgeMs : ageMs, done: () => {}, offer })
  }

  /** Begins the next connection of `pod` to `to` on the session that was kept last, of those that `fits` holds for. */
  take (pod: LocalPod, to: OriginalDestination, fits: (session: Session) => boolean): Session | undefined {
    const stack = this.#shelves.get(pod)?.stacks.get(formatSocketAddress(to)) ?? []
    for (let i = stack.length - 1; i >= 0; i--) { // what ends on the way leaves those before it where they are
      const idle = stack[i]
      if (idle === undefined || idle.loan !== undefined || !fits(idle.session)) continue
      if (!this.#mayContinue(idle)) { this.#end(idle); continue }
      this.#release(idle)
      idle.session.next()
      return idle.session
    }
    return undefined
  }

  /** Server's end: resolves with true when the client has begun another connection, with false when there is none. */
  async next (session: Session, pod: LocalPod, offer?: Offer): Promise<boolean> {
    const { idleMs, ageMs } = this.#options
    return await new Promise(done => {
      this.#hold({ pod, session, direction: 'inbound', to: undefined, key: '', restMs: idleMs * serverPatience, ageMs, done, offer })
    })
  }

  /** Ends what rests of `pod`; with `to`, only what was dialled there. */
  drop (pod: LocalPod, to?: OriginalDestination): void {
    if (to === undefined) this.#lender?.revoke() // what carries a connection now is found to have changed when that is over
    const shelf = this.#shelves.get(pod)
    const dropped = to === undefined ? shelf?.all : shelf?.stacks.get(formatSocketAddress(to))
    for (const idle of [...dropped ?? []]) this.#end(idle)
  }

  /** Ends everything, and keeps nothing from now on. */
  close (): void {
    this.#isClosed = true
    this.#lender?.revoke()
    for (const idle of [...this.#all]) this.#end(idle)
  }

  #hold (idle: Idle): void {
    if (!this.#mayRest(idle)) {
      void idle.session.close()
      idle.done(false)
      return
    }
    this.#shelve(idle)
    this.#lend(idle)
    if (idle.loan === undefined) this.#watch(idle)
  }

  #mayRest (idle: Idle): boolean {
    const { pod, session, restMs } = idle
    const lasts = session.notAfterMs - this.#clock.now() > restMs
    return !this.#isClosed && !pod.closing.aborted && session.uses <= this.#options.uses && lasts && this.#mayContinue(idle)
  }

  #lend (idle: Idle): void {
    const { session, restMs, ageMs } = idle
    idle.loan = idle.offer?.({ mostUses: this.#options.uses, restMs, ageMs: ageMs - session.ageMs }, {
      begun: () => { this.#release(idle) },
      rests: () => {
        if (this.#mayRest(idle)) this.#shelve(idle)
        else this.#end(idle)
      },
      returned: () => {
        idle.loan = undefined
        if (this.#mayRest(idle)) this.#watch(idle)
        else this.#end(idle)
      },
      gone: isStale => {
        this.#release(idle)
        idle.done(false)
        if (isStale) this.drop(idle.pod, idle.to)
      },
    })
  }

  /** Until the other end speaks, or time is up. */
  #watch (idle: Idle): void {
    const { session, restMs, ageMs } = idle
    idle.timer = this.#clock.after(Math.min(restMs, ageMs - session.ageMs), () => { this.#end(idle) })
    idle.hush = session.channel.listen(type => { this.#heard(idle, type) }) // perhaps at once
  }

  #shelve (idle: Idle): void {
    const shelf = this.#shelves.get(idle.pod) ?? this.#openShelf(idle.pod)
    shelf.all.add(idle)
    this.#all.add(idle)
    this.#counts[idle.direction]++
    const stack = shelf.stacks.get(idle.key)
    if (stack !== undefined) stack.push(idle)
    else if (idle.direction === 'outbound') shelf.stacks.set(idle.key, [idle])
    for (const [held, most] of [[shelf.all, this.#options.perPod], [this.#all, this.#options.perNode]] as const) {
      if (held.size <= most) continue
      const [oldest] = held // not looked for in vain: a set that many have left is long to walk
      if (oldest !== undefined) this.#end(oldest)
    }
  }

  /** Followed as long as the pod is there: whatever changes who it is, or whom it trusts, ends what rests. */
  #openShelf (pod: LocalPod): Shelf {
    const shelf: Shelf = { all: new Set(), stacks: new Map() }
    this.#shelves.set(pod, shelf)
    const { svids, trust } = pod.handshake
    const ends = [svids, trust].map(source => source.onChange(() => { this.drop(pod) }))
    pod.closing.addEventListener('abort', () => {
      for (const end of ends) end()
      this.drop(pod)
      this.#shelves.delete(pod)
    }, { once: true })
    return shelf
  }

  #mayContinue ({ session, ageMs }: Idle): boolean {
    return session.mayCarryAnother && session.ageMs < ageMs
  }

  #heard (idle: Idle, type: FrameType | undefined): void {
    // To a client nobody speaks before it has begun: whatever it hears is the end.
    if (idle.direction === 'outbound' || type !== FrameType.greeting || !this.#mayContinue(idle)) { this.#end(idle); return }
    this.#release(idle)
    idle.session.next()
    idle.done(true)
  }

  #end (idle: Idle): void {
    this.#release(idle)
    if (idle.loan === undefined) void idle.session.goAway()
    else idle.loan.end()
    idle.done(false)
  }

  #release (idle: Idle): void {
    if (!this.#all.delete(idle)) return
    idle.timer?.cancel()
    idle.hush?.()
    this.#counts[idle.direction]--
    const shelf = this.#shelves.get(idle.pod)
    shelf?.all.delete(idle)
    const stack = shelf?.stacks.get(idle.key)
    if (stack === undefined) return
    if (stack.at(-1) === idle) stack.pop()
    else stack.splice(stack.indexOf(idle), 1)
    if (stack.length === 0) shelf?.stacks.delete(idle.key)
  }
}
