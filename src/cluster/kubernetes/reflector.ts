/**
 * One kind of objects as the API server has it: listed once, then watched.
 *
 *     list ─▶ watch ─▶ (ended) ─▶ watch from the last version
 *      ▲        │ 410, out of order, garbled
 *      └────────┘
 *
 * What was known stays known until something newer is: while the server is away, while a list is under way, and when
 * history is gone (410). Objects that went meanwhile go when the new list is complete, in one step. A kind that may
 * be absent (its CRD) is believed to be only when discovery says so, too, and says it twice where objects are lost by it.
 */

import { isDeepStrictEqual } from 'node:util'
import { backoffMs } from '../../lib/backoff.ts'
import { messageOf } from '../../lib/error.ts'
import { ClusterError } from '../error.ts'
import { listAt, textAt, valueAt } from './json.ts'
import { Pause } from './pause.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Api } from './api.ts'
import type { Resource } from './resources.ts'

export interface ReflectorParts {
  readonly api: Api
  readonly clock: Clock
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

export interface ReflectorOptions<T> {
  readonly resource: Resource
  /** The part of an object that is kept; `undefined` to keep none of it. */
  readonly project: (object: unknown) => T | undefined
  /** Called when something of `items` has changed. Must not throw. */
  readonly onChange: () => void
  /** Called when `problem` has changed. Must not throw. */
  readonly onProblem: () => void
}

/** Objects in one page of a list. */
const pageSize = '500'
/** The server ends a watch after this; jittered up to twice as long, so that watches do not end together. */
const watchSeconds = 240
/** Bookmarks come every minute; silence for longer means that the connection is dead in a way TCP does not see. */
const silenceMs = 150_000
/** A kind that is absent is asked for again at least this often; a CRD that appears is told at once. */
const absentMs = 30_000
/** A watch that ends sooner than this is tried again later, not at once. */
const quickMs = 1000
/** How long a kind has to be absent before its objects are forgotten. */
const forgetMs = 5000

export class Reflector<T> {
  readonly #parts: ReflectorParts
  readonly #options: ReflectorOptions<T>
  readonly #end = new AbortController()
  readonly #pause: Pause
  readonly #synced = Promise.withResolvers<void>()
  #items = new Map<string, T>()
  #version: string | undefined
  #isSynced = false
  #problem: string | undefined
  #staleSinceMs: number | undefined
  #heardMs: number
  #absentSinceMs: number | undefined
  #attempt = 0
  #watching = new AbortController()

  constructor (options: ReflectorOptions<T>, parts: ReflectorParts) {
    this.#options = options
    this.#parts = parts
    this.#pause = new Pause(parts.clock)
    this.#heardMs = parts.clock.now()
  }

  /** By `namespace/name` (`name` where there is no namespace). Changes in place: copying ten thousand for each event takes longer than the event. */
  get items (): ReadonlyMap<string, T> { return this.#items }
  get resource (): Resource { return this.#options.resource }
  /** Resolves when `items` is complete for the first time. */
  get synced (): Promise<void> { return this.#synced.promise }
  /** Why it does not hear of changes now; `undefined` while it does. */
  get problem (): string | undefined { return this.#problem }
  /** Since when `items` may be out of date, ms since the epoch; `undefined` while it is not. */
  get staleSinceMs (): number | undefined { return this.#staleSinceMs }

  start (): void { void this.#run() }

  stop (): void {
    this.#end.abort(new Error('stopped'))
    this.#pause.wake()
  }

  /** Tries at once whatever it waits for. */
  poke (): void {
    this.#attempt = 0
    this.#pause.wake()
  }

  /** Ends the watch that there is; the next one goes on from where it was. */
  watchAnew (): void { this.#watching.abort(new Error('watched anew')) }

  /** Takes an object that was got by other means, unless a newer one is known. The watch tells what becomes of it. */
  learn (object: unknown): void {
    const key = keyOf(object)
    if (this.#isOlder(textAt(object, 'metadata', 'resourceVersion'))) return
    this.#put(key, object)
  }

  async #run (): Promise<void> {
    while (!this.#end.signal.aborted) {
      const startMs = this.#parts.clock.monotonic()
      try {
        await this.#follow()
        // A watch that ends at once, again and again, must not become a busy loop.
        if (this.#parts.clock.monotonic() - startMs > quickMs) this.#attempt = 0
        else await this.#wait()
      } catch (error) {
        if (this.#end.signal.aborted) return
        await this.#failed(error)
      }
    }
  }

  async #follow (): Promise<void> {
    if (this.#version === undefined) await this.#list()
    await this.#watch()
  }

  async #failed (error: unknown): Promise<void> {
    const code = error instanceof ClusterError ? error.code : undefined
    const isMissing = error instanceof ClusterError && error.status === 404
    if (code === 'api-expired' || code === 'api-garbled' || isMissing) this.#version = undefined
    if (this.resource.optional && isMissing) {
      if (await this.#isAbsent()) { await this.#absent(); return }
    }
    this.#absentSinceMs = undefined
    // History that is gone is no failure: the list that follows is.
    if (code !== 'api-expired') this.#tell(`${this.resource.name}: ${messageOf(error)}`)
    const retryAfterMs = error instanceof ClusterError ? error.retryAfterMs : undefined
    await this.#wait(retryAfterMs)
  }

  /** Waits longer with each try; at least `leastMs`. */
  async #wait (leastMs = 0): Promise<void> {
    const random = this.#parts.random ?? Math.random
    const ms = Math.max(leastMs, backoffMs(this.#attempt++, { firstMs: 200, mostMs: 30_000, random }))
    if (!this.#end.signal.aborted) await this.#pause.for(ms)
  }

  async #list (): Promise<void> {
    const { path, accept, fieldSelector } = this.resource
    const items = new Map<string, T>()
    let page: unknown
    let token = ''
    do {
      const query = { limit: pageSize, ...fieldSelector !== undefined && { fieldSelector }, ...token !== '' && { continue: token } }
      page = await this.#parts.api.request(path, { query, accept: accept.list, signal: this.#end.signal })
      for (const object of listAt(page, 'items')) {
        const [key, item] = [keyOf(object), this.#kept(keyOf(object), object)]
        if (item !== undefined) items.set(key, item)
      }
      token = textAt(page, 'metadata', 'continue')
    } while (token !== '')
    const version = textAt(page, 'metadata', 'resourceVersion')
    if (version === '') throw new ClusterError(`${path}: a list without a version`, { code: 'api-garbled' })
    this.#version = version
    this.#absentSinceMs = undefined
    this.#replace(items)
    this.#fresh()
  }

  async #watch (): Promise<void> {
    const { path, accept, fieldSelector } = this.resource
    const { api, clock, random = Math.random } = this.#parts
    const silence = new AbortController()
    let timer = clock.after(silenceMs, () => { silence.abort(new ClusterError('no sign of life in a watch', { code: 'api-unreachable' })) })
    const heard = (): void => {
      timer.cancel()
      timer = clock.after(silenceMs, () => { silence.abort(new ClusterError('no sign of life in a watch', { code: 'api-unreachable' })) })
      this.#fresh()
    }
    const query = {
      watch: 'true', allowWatchBookmarks: 'true', resourceVersion: this.#version ?? '',
      timeoutSeconds: String(Math.round(watchSeconds * (1 + random()))), ...fieldSelector !== undefined && { fieldSelector },
    }
    const anew = this.#watching = new AbortController()
    try {
      const signal = AbortSignal.any([this.#end.signal, silence.signal, anew.signal])
      for await (const event of api.stream(path, { query, accept: accept.one, signal }, heard)) this.#hear(event)
    } catch (error) {
      if (error !== anew.signal.reason) throw error
    } finally {
      timer.cancel()
    }
  }

  #hear (event: unknown): void {
    const type = textAt(event, 'type')
    const object = valueAt(event, 'object')
    if (type === 'ERROR') throw statusError(object)
    const version = textAt(object, 'metadata', 'resourceVersion')
    // A stream that goes back in time has lost or mixed up events: nothing but a list tells what is now.
    if (version === '' || this.#isOlder(version)) throw new ClusterError(`${this.resource.path}: a watch out of order`, { code: 'api-expired' })
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(keyOf(object), object)
    else if (type === 'DELETED') this.#remove(keyOf(object))
    else if (type !== 'BOOKMARK') throw new ClusterError(`${this.resource.path}: an event of type ${JSON.stringify(type)}`, { code: 'api-garbled' })
    this.#version = version
    this.#attempt = 0
  }

  /** Versions are decimal numbers that grow (KEP-5504); what is not one is not compared. */
  #isOlder (version: string): boolean {
    const known = this.#version ?? ''
    return /^\d+$/.test(version) && /^\d+$/.test(known) && BigInt(version) < BigInt(known)
  }

  #put (key: string, object: unknown): void {
    const item = this.#kept(key, object)
    if (item === undefined) { this.#remove(key); return }
    if (item === this.#items.get(key)) return
    this.#items.set(key, item)
    this.#changed()
  }

  #remove (key: string): void {
    if (this.#items.delete(key)) this.#changed()
  }

  /** What has not changed stays the same object. */
  #kept (key: string, object: unknown): T | undefined {
    const before = this.#items.get(key)
    const item = this.#options.project(object)
    return before !== undefined && isDeepStrictEqual(before, item) ? before : item
  }

  #replace (items: Map<string, T>): void {
    const before = this.#items
    const isSame = before.size === items.size && [...items].every(([key, item]) => before.get(key) === item)
    if (isSame) return
    this.#items = items
    this.#changed()
  }

  #changed (): void {
    if (this.#isSynced) this.#options.onChange()
  }

  async #isAbsent (): Promise<boolean> {
    const { groupPath, name } = this.resource
    try {
      const resources = await this.#parts.api.request(groupPath, { signal: this.#end.signal })
      return !listAt(resources, 'resources').some(resource => textAt(resource, 'name') === name)
    } catch (error) {
      return error instanceof ClusterError && error.status === 404
    }
  }

  async #absent (): Promise<void> {
    const { clock } = this.#parts
    this.#absentSinceMs ??= clock.monotonic()
    const isSure = this.#items.size === 0 || clock.monotonic() - this.#absentSinceMs >= forgetMs
    if (isSure) {
      this.#replace(new Map())
      this.#fresh()
    }
    await (isSure ? this.#wait(this.#attempt > 6 ? absentMs : 0) : this.#pause.for(forgetMs))
  }

  /** All is known up to now. */
  #fresh (): void {
    this.#heardMs = this.#parts.clock.now()
    this.#staleSinceMs = undefined
    if (!this.#isSynced) {
      this.#isSynced = true
      this.#synced.resolve()
    }
    this.#tell(undefined)
  }

  #tell (problem: string | undefined): void {
    if (problem !== undefined) this.#staleSinceMs ??= this.#heardMs
    if (problem === this.#problem) return
    this.#problem = problem
    this.#options.onProblem()
  }
}

function keyOf (object: unknown): string {
  const [namespace, name] = [textAt(object, 'metadata', 'namespace'), textAt(object, 'metadata', 'name')]
  if (name === '') throw new ClusterError('an object without a name', { code: 'api-garbled' })
  return namespace === '' ? name : `${namespace}/${name}`
}

/** From the Status object of a watch's ERROR. */
function statusError (status: unknown): ClusterError {
  const number = Number(valueAt(status, 'code'))
  return new ClusterError(`${number} ${textAt(status, 'message').slice(0, 300)}`, { code: number === 410 ? 'api-expired' : 'api-refused', status: number })
}
