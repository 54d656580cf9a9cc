/** Who signs: the local authority today, the issuer's client tomorrow. */

import type { KeyObject } from 'node:crypto'
import type { Identity } from '../model/workload.ts'

/** Turns a workload's identity and public key into a certificate chain. */
export interface Issuer {
  /**
   * The chain, leaf first, without the root. A remote issuer signs what it knows of the workload itself, so what the
   * certificate says may differ from what was asked for. Rejects with any error; the caller tries again later.
   */
  issue (identity: Identity, publicKey: KeyObject, ttlMs: number, signal: AbortSignal): Promise<readonly Uint8Array[]>
}
