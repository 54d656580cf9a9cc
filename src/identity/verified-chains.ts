/** Chains that passed: a full verification takes a hundred times longer than finding its result again. */

import { createHash } from 'node:crypto'
import type { Identity } from '../model/workload.ts'
import type { TrustBundles } from './trust.ts'

/** What a verified chain says, time apart. */
export interface VerifiedChain {
  /** As it was shown first, leaf first, DER: one copy for all that show it again. */
  readonly chain: readonly Uint8Array[]
  readonly identity: Identity
  readonly attributesBytes: number
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Peers of one agent in one certificate lifetime. A chain takes a few kilobytes. */
export const maxChains = 4096

/**
 * Least recently used goes first. Kept per `TrustBundles` object, which never changes: new trust starts with nothing
 * remembered, and the old memory goes with the old object. Refusals are not kept, so strangers cannot push out peers.
 */
export class VerifiedChains {
  readonly #byTrust = new WeakMap<TrustBundles, Map<string, VerifiedChain>>()

  take (trust: TrustBundles, chain: readonly Uint8Array[]): VerifiedChain | undefined {
    const chains = this.#byTrust.get(trust)
    const key = keyOf(chain)
    const found = chains?.get(key)
    if (found === undefined) return undefined
    // A map keeps its order of insertion: the used one goes to the end.
    chains?.delete(key)
    chains?.set(key, found)
    return found
  }

  put (trust: TrustBundles, chain: readonly Uint8Array[], verified: VerifiedChain): VerifiedChain {
    const chains = this.#byTrust.get(trust) ?? new Map<string, VerifiedChain>()
    this.#byTrust.set(trust, chains)
    chains.set(keyOf(chain), verified)
    if (chains.size > maxChains) chains.delete(chains.keys().next().value ?? '')
    return verified
  }
}

/** SHA-256 over the certificates, each behind its length: two chains never give the same bytes. */
function keyOf (chain: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const der of chain) hash.update(Uint32Array.of(der.length)).update(der)
  return hash.digest('base64')
}
