/** Connections of every pattern through two agents, until there were enough; looks in between at what the agents hold. */

import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { play } from './party.ts'
import { dueOf, planOf } from './plan.ts'
import { RelayProcess } from './relay-process.ts'
import { ServerApplication, headOf } from './server.ts'
import type { Holding, RelaysSpec } from './relay-process.ts'
import type { Party, Plan } from './plan.ts'

export interface SoakOptions extends Omit<RelaysSpec, 'application'> {
  /** How many connections, or until `until` is aborted. */
  readonly connections: number
  readonly parallel: number
  readonly seed: number
  /** How many connections between two looks at what the agents hold. */
  readonly between: number
  readonly until: AbortSignal
  readonly onLook: (look: Look) => void
  readonly onFault: (what: string) => void
}

/** What was seen when no connection was open. */
export interface Look extends Holding {
  readonly done: number
  readonly seconds: number
  readonly faultCount: number
}

export interface SoakResult {
  readonly done: number
  readonly seconds: number
  /** Of the connections that have ended cleanly: all of them were compared. */
  readonly bytes: number
  readonly patterns: Readonly<Record<string, number>>
  /** The first things that went wrong, in words. */
  readonly faults: readonly string[]
  readonly faultCount: number
  readonly looks: readonly Look[]
  /** What the agents could not let go of at the end. */
  readonly left: Readonly<Record<string, number>>
}

const mostFaultsKept = 50
/** How long the server's end may be missing after the client's is over, on whatever machine this is, ms. */
const missingMs = 120_000
/** Polite ends take up to a second. */
const settleMs = 1200

/** Runs to the end; throws when the agents cannot be started or die. */
export async function soak (options: SoakOptions): Promise<SoakResult> {
  using server = await ServerApplication.listen(options.seed)
  const died = Promise.withResolvers<never>()
  died.promise.catch(() => {}) // it may come when nobody listens
  const relays = await RelayProcess.start({ ...options, application: server.port }, why => { died.reject(new Error(why)) })
  try {
    const run = new Soak(options, relays, server)
    await Promise.race([run.drive(), died.promise])
    return { ...run.result, left: await relays.stop() }
  } finally {
    relays.kill()
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #relays: RelayProcess
  readonly #server: ServerApplication
  readonly #began = performance.now()
  readonly #faults: string[] = []
  readonly #looks: Look[] = []
  readonly #patterns: Record<string, number> = {}
  #faultCount = 0
  #started = 0
  #done = 0
  #bytes = 0

  constructor (options: SoakOptions, relays: RelayProcess, server: ServerApplication) {
    this.#options = options
    this.#relays = relays
    this.#server = server
  }

  get result (): Omit<SoakResult, 'left'> {
    return { done: this.#done, seconds: this.#seconds, bytes: this.#bytes, patterns: this.#patterns, faults: this.#faults, faultCount: this.#faultCount, looks: this.#looks }
  }

  async drive (): Promise<void> {
    const { connections, between, parallel, until } = this.#options
    while (this.#started < connections && !until.aborted) {
      const stopAt = Math.min(connections, this.#started + between)
      await Promise.all(Array.from({ length: parallel }, () => this.#lane(stopAt)))
      const look = { ...await this.#settled(), done: this.#done, seconds: this.#seconds, faultCount: this.#faultCount }
      this.#looks.push(look)
      this.#options.onLook(look)
    }
  }

  get #seconds (): number { return (performance.now() - this.#began) / 1000 }

  /** One connection after another. */
  async #lane (stopAt: number): Promise<void> {
    const { seed, until } = this.#options
    while (this.#started < stopAt && !until.aborted) {
      const plan = planOf(++this.#started, seed)
      await this.#connect(plan)
      this.#done++
      this.#patterns[plan.pattern] = (this.#patterns[plan.pattern] ?? 0) + 1
      if (dueOf(plan, 'client') === 'clean') this.#bytes += plan.bytes.client + plan.bytes.server
    }
  }

  async #connect (plan: Plan): Promise<void> {
    const { id, pattern } = plan
    const { ports } = this.#relays
    const served = this.#server.served(id)
    const socket = connect({ port: ports[id % ports.length] ?? 0, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    if (pattern !== 'empty') socket.write(headOf(id))
    if (pattern === 'reset-early') socket.once('connect', () => { socket.resetAndDestroy() })
    this.#note(plan, 'client', await play('client', plan, socket))
    // An empty connection does not say which one it is, and one that was reset early may never have come there.
    if (pattern === 'empty' || pattern === 'reset-early') this.#server.giveUp(id, undefined)
    const missing = setTimeout(() => { this.#server.giveUp(id, 'is not over') }, missingMs)
    this.#note(plan, 'server', await served)
    clearTimeout(missing)
  }

  #note ({ id, pattern }: Plan, party: Party, fault: string | undefined): void {
    if (fault === undefined) return
    this.#faultCount++
    if (this.#faults.length >= mostFaultsKept) return
    const { modes, onFault } = this.#options
    this.#faults.push(`connection ${id}, ${modes[id % modes.length]}, ${pattern}, ${party}: ${fault}`)
    onFault(this.#faults.at(-1) ?? '')
  }

  /** What the agents hold, once that does not change any more. */
  async #settled (): Promise<Holding> {
    for (let last = '', i = 0; ; i++) {
      const holding = await this.#relays.holding()
      const now = JSON.stringify([holding.counts, holding.descriptors])
      if (now === last || i === 20) return holding
      last = now
      await pause(settleMs)
    }
  }
}
