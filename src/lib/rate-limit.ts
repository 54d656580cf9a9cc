/** Token buckets by key: so many at once, so many a second, for each of a bounded number of keys. */

import type { Clock } from './clock.ts'

export interface RateLimitOptions {
  /** Refilled each second. */
  readonly perSecond: number
  /** Most that can be taken at once. */
  readonly burst: number
  /** Keys that are remembered. @default 4096 */
  readonly mostKeys?: number
}

interface Bucket { tokens: number, atMs: number }

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>()
  readonly #options: Required<RateLimitOptions>
  readonly #clock: Clock

  constructor (options: RateLimitOptions, clock: Clock) {
    this.#options = { mostKeys: 4096, ...options }
    this.#clock = clock
  }

  /** Takes one; false, and takes nothing, when there is none left. */
  take (key: string): boolean {
    const bucket = this.#refilled(key)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** Whether `take` would give one. */
  has (key: string): boolean {
    return this.#refilled(key).tokens >= 1
  }

  /** The key that was used longest ago is forgotten first; a forgotten one is full again, so there must be room for all honest ones. */
  #refilled (key: string): Bucket {
    const { perSecond, burst, mostKeys } = this.#options
    const nowMs = this.#clock.monotonic()
    const known = this.#buckets.get(key)
    const bucket = { tokens: known === undefined ? burst : Math.min(burst, known.tokens + (nowMs - known.atMs) / 1000 * perSecond), atMs: nowMs }
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > mostKeys) this.#buckets.delete(this.#buckets.keys().next().value ?? key)
    return bucket
  }
}
