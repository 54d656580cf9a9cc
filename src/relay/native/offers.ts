/** What a pod may offer to the servers that it has proven, by destination as it was dialled: who answers there knows it, or shakes hands in full. */

import { formatSocketAddress } from '../../model/address.ts'
import type { SocketAddress } from '../../model/address.ts'
import type { PresharedKey } from '../../sys/index.ts'

export interface Offer {
  readonly key: PresharedKey
  /** What the server has shown when this key was made, leaf first, DER. */
  readonly chain: readonly Uint8Array[]
  /** Monotonic, ms. */
  readonly untilMs: number
}

/** Destinations of one pod; the one that was proven longest ago goes first. */
const mostOffers = 128

export class Offers {
  readonly #byDestination = new Map<string, Offer>()

  find (to: SocketAddress, nowMs: number): Offer | undefined {
    const offer = this.#byDestination.get(formatSocketAddress(to))
    if (offer === undefined || nowMs < offer.untilMs) return offer
    this.drop(to)
    return undefined
  }

  put (to: SocketAddress, offer: Offer): void {
    this.drop(to) // a map keeps its order of insertion
    this.#byDestination.set(formatSocketAddress(to), offer)
    if (this.#byDestination.size > mostOffers) this.#byDestination.delete(this.#byDestination.keys().next().value ?? '')
  }

  drop (to: SocketAddress): void { this.#byDestination.delete(formatSocketAddress(to)) }
}
