/**
 * How many control frames a proven peer may send on a connection.
 *
 * Each one is the main thread's to look at, where a relay thread reads it through a queue that has no end, and a certificate costs a
 * verification: a peer that sends nothing else would take the time of all other connections of the node. What a connection
 * has reason to send is a greeting, a verdict, and now and then a certificate.
 */

const most = 16
/** One more for each of these, ms. */
const refillMs = 1000

export class FrameAllowance {
  #left = most
  #sinceMs: number | undefined

  /** Whether another one is allowed. `nowMs` never goes backwards. */
  take (nowMs: number): boolean {
    this.#sinceMs ??= nowMs
    const more = Math.min(Math.floor((nowMs - this.#sinceMs) / refillMs), most - this.#left)
    this.#sinceMs = this.#left + more === most ? nowMs : this.#sinceMs + more * refillMs
    this.#left += more
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
