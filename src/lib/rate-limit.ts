/** Token buckets by key: so many at once, so many a second, for each of a bounded number of keys. */

import { TokenBucket } from './token-bucket.ts'
import type { Clock } from './clock.ts'
import type { TokenBucketLimits } from './token-bucket.ts'

export interface RateLimitOptions extends TokenBucketLimits {
  /** Keys that are remembered. @default 4096 */
  readonly mostKeys?: number
}

export class RateLimit {
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #options: Required<RateLimitOptions>
  readonly #clock: Clock

  constructor (options: RateLimitOptions, clock: Clock) {
    this.#options = { mostKeys: 4096, ...options }
    this.#clock = clock
  }

  /** Takes one; false, and takes nothing, when there is none left. */
  take (key: string): boolean {
    return this.#bucketOf(key).take(this.#clock.monotonic())
  }

  /** Whether `take` would give one. */
  has (key: string): boolean {
    return this.#bucketOf(key).has(this.#clock.monotonic())
  }

  /** The key that was used longest ago is forgotten first; a forgotten one is full again, so there must be room for all honest ones. */
  #bucketOf (key: string): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#options)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > this.#options.mostKeys) this.#buckets.delete(this.#buckets.keys().next().value ?? key)
    return bucket
  }
}
