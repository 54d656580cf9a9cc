/** So many at once, so many a second. */

export interface TokenBucketLimits {
  /** Refilled each second. */
  readonly perSecond: number
  /** Most that can be taken at once. */
  readonly burst: number
}

/** Full at first. Its `nowMs` never go backwards. */
export class TokenBucket {
  readonly #limits: TokenBucketLimits
  #tokens: number
  #atMs: number | undefined

  constructor (limits: TokenBucketLimits) {
    this.#limits = limits
    this.#tokens = limits.burst
  }

  /** Takes one; false, and takes nothing, when there is none left. */
  take (nowMs: number): boolean {
    if (!this.has(nowMs)) return false
    this.#tokens--
    return true
  }

  /** Whether `take` would give one. */
  has (nowMs: number): boolean {
    const { perSecond, burst } = this.#limits
    this.#tokens = Math.min(burst, this.#tokens + (nowMs - (this.#atMs ?? nowMs)) / 1000 * perSecond)
    this.#atMs = nowMs
    return this.#tokens >= 1
  }
}
