/**
 * What happens to an exception that nobody has caught.
 *
 * Ending the process would be the usual answer, and here an outage of a whole node that one malformed connection could
 * ask for. A connection's state is its own, and permits are made in one synchronous place, so what an exception leaves
 * behind is a broken connection and not a wrong permit: it is told, counted, and the agent goes on. An agent that does
 * nothing but fail is no use either: too many in a minute end it, and the guard rules hold until its successor is there.
 */

import type { Clock } from '../lib/clock.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface FaultsParts {
  readonly log: Log
  readonly metrics: Pick<Metrics, 'internalFault'>
  readonly clock: Clock
}

/** More faults than this within `windowMs` are too many. */
const mostFaults = 100
const windowMs = 60_000

/** The events of the process that matter here. */
const events = ['uncaughtException', 'unhandledRejection'] as const

/** The part of `process` that tells of faults; a test has its own. */
export interface FaultSource {
  on (event: typeof events[number], listener: (error: unknown) => void): unknown
  off (event: typeof events[number], listener: (error: unknown) => void): unknown
}

export class Faults implements Disposable {
  readonly #parts: FaultsParts
  readonly #source: FaultSource
  readonly #tooMany = Promise.withResolvers<never>()
  readonly #listener = (error: unknown): void => { this.#take(error) }
  #times: number[] = []

  constructor (parts: FaultsParts, source: FaultSource = process) {
    this.#parts = parts
    this.#source = source
    this.#tooMany.promise.catch(() => {}) // nobody has to wait for it
    for (const event of events) source.on(event, this.#listener)
  }

  /** Rejects when the agent should end; never resolves. */
  get tooMany (): Promise<never> { return this.#tooMany.promise }

  [Symbol.dispose] (): void {
    for (const event of events) this.#source.off(event, this.#listener)
  }

  #take (error: unknown): void {
    const { log, metrics, clock } = this.#parts
    metrics.internalFault('uncaught')
    log.error('an exception was not caught; please report it', { error })
    const now = clock.monotonic()
    this.#times = [...this.#times.filter(time => now - time < windowMs), now]
    if (this.#times.length > mostFaults) this.#tooMany.reject(new Error(`${this.#times.length} uncaught exceptions within a minute`, { cause: error }))
  }
}
