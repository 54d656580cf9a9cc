/**
 * Tells of occurrences by Events at the API server.
 *
 * Nobody waits for it: what is told goes into a bounded book, and one request at a time leaves from there, at a bounded
 * rate. When the API server is away, or refuses, what was to be written is dropped and counted; what happens again is
 * told with its whole count later.
 */

import { RateLimit } from '../../lib/rate-limit.ts'
import { spreadMs } from '../../lib/spread.ts'
import { ClusterError } from '../error.ts'
import { EventBook } from './event-book.ts'
import { eventNamespace, eventObject, seriesOf } from './event-object.ts'
import { Pause } from './pause.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Occurrence } from '../../model/occurrence.ts'
import type { Log, Metrics, Occurrences } from '../../observe/index.ts'
import type { Api } from './api.ts'
import type { Entry } from './event-book.ts'

export interface EventWriterParts {
  readonly api: Pick<Api, 'request'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'eventEnded'>
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** An event each two seconds on average; a busy morning may begin with thirty. */
const rate = { perSecond: 0.5, burst: 30 }
const paceMs = 500
const sweepMs = 60_000
/** A request that takes longer is given up. */
const requestMs = 10_000
/** In which one of all agents tells what all of them see. */
const sharedMs = 30_000

export class EventWriter implements Occurrences, Disposable {
  readonly #node: string
  readonly #parts: EventWriterParts
  readonly #book = new EventBook()
  readonly #limit: RateLimit
  readonly #end = new AbortController()
  readonly #pause: Pause
  readonly #delayed = new Set<Timer>()
  #queue: Entry[] = []
  #isWriting = false
  #sweep: Timer

  /** @param node whose agent this is. */
  constructor (node: string, parts: EventWriterParts) {
    this.#node = node
    this.#parts = parts
    this.#limit = new RateLimit(rate, parts.clock)
    this.#pause = new Pause(parts.clock)
    this.#sweep = parts.clock.after(sweepMs, () => { this.#sweepOften() })
  }

  tell (occurrence: Occurrence): void {
    if (this.#end.signal.aborted) return
    const { clock, metrics, random = Math.random } = this.#parts
    const entry = this.#book.note(occurrence, clock.now())
    if (entry === 'full') metrics.eventEnded('dropped')
    if (entry === 'full' || entry === 'counted') return
    if (!occurrence.isShared) { this.#enqueue(entry); return }
    const timer = clock.after(spreadMs(sharedMs, random), () => { this.#delayed.delete(timer); this.#enqueue(entry) })
    this.#delayed.add(timer)
  }

  [Symbol.dispose] (): void {
    this.#end.abort(new Error('stopped'))
    this.#pause.wake()
    this.#sweep.cancel()
    for (const timer of this.#delayed) timer.cancel()
  }

  #sweepOften (): void {
    for (const entry of this.#book.due(this.#parts.clock.now())) this.#enqueue(entry)
    this.#sweep = this.#parts.clock.after(sweepMs, () => { this.#sweepOften() })
  }

  #enqueue (entry: Entry): void {
    if (entry.isQueued) return
    entry.isQueued = true
    // Denials may be many, and whoever is denied can make more of them: everything else goes before.
    const at = isDenial(entry) ? -1 : this.#queue.findIndex(isDenial)
    this.#queue.splice(at === -1 ? this.#queue.length : at, 0, entry)
    if (!this.#isWriting) void this.#writeAll()
  }

  /** Never rejects. */
  async #writeAll (): Promise<void> {
    this.#isWriting = true
    for (let entry = this.#queue.shift(); entry !== undefined && !this.#end.signal.aborted; entry = this.#queue.shift()) {
      while (!this.#limit.take('') && !this.#end.signal.aborted) await this.#pause.for(paceMs)
      if (!this.#end.signal.aborted) await this.#write(entry)
    }
    this.#isWriting = false
  }

  async #write (entry: Entry): Promise<void> {
    const { metrics, log } = this.#parts
    entry.isQueued = false
    entry.told = entry.count
    // Not again before the usual time, whatever comes of it.
    entry.toldMs = this.#parts.clock.now()
    try {
      await this.#request(entry)
      entry.isThere = true
      metrics.eventEnded('written')
    } catch (error) {
      if (this.#end.signal.aborted) return
      metrics.eventEnded('failed')
      log.debug('an event could not be written', { event: entry.name, error })
      if (!(error instanceof ClusterError && error.code === 'api-refused')) this.#dropQueue()
    }
  }

  /** Whoever comes second to tell what all see finds it told. An event that the API server has forgotten is made anew. */
  async #request (entry: Entry): Promise<void> {
    const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(eventNamespace(entry.occurrence))}/events`
    const create = async (): Promise<void> => {
      await unless(409, this.#send(path, { method: 'POST', body: eventObject(entry, this.#node) }))
    }
    if (!entry.isThere) { await create(); return }
    const patched = await unless(404, this.#send(`${path}/${entry.name}`, { method: 'PATCH', contentType: 'application/merge-patch+json', body: seriesOf(entry) }))
    if (patched === undefined) await create()
  }

  async #send (path: string, request: Parameters<Api['request']>[1]): Promise<unknown> {
    return await this.#parts.api.request(path, { ...request, signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(requestMs)]) })
  }

  /** The server is away: the others would only wait for the same answer. */
  #dropQueue (): void {
    for (const entry of this.#queue.splice(0)) {
      entry.isQueued = false
      this.#parts.metrics.eventEnded('dropped')
    }
  }
}

function isDenial ({ occurrence: { reason } }: Entry): boolean { return reason === 'FlowDenied' }

/** `undefined` for an answer of this status. */
async function unless (status: number, answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ClusterError && error.status === status) return undefined
    throw error
  }
}
