/** Who signs: the local authority, or the issuer of the cluster by way of its client. */

import type { KeyObject } from 'node:crypto'
import type { Identity } from '../model/workload.ts'

/** Signs a statement with the private key (ECDSA with SHA-256, DER): whoever asks for a certificate shows that the key is his. */
export type Prove = (statement: Uint8Array) => Uint8Array

/** Turns a workload's identity and public key into a certificate chain. */
export interface Issuer {
  /**
   * The chain, leaf first, without the root. A remote issuer signs what it knows of the workload itself, so what the
   * certificate says may differ from what was asked for. Rejects with any error; the caller tries again later.
   */
  issue (identity: Identity, publicKey: KeyObject, ttlMs: number, signal: AbortSignal, prove: Prove): Promise<readonly Uint8Array[]>
}
