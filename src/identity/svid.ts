/** A workload's certificate with its key, as a TLS handshake presents it. */

import { X509Certificate } from 'node:crypto'
import { IdentityError } from './error.ts'
import { verifyChain } from './verify.ts'
import type { KeyObject } from 'node:crypto'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Identity } from '../model/workload.ts'
import type { TrustBundles } from './trust.ts'

/** An X.509-SVID. Made anew for every certificate, never changed. */
export interface Svid {
  /** Leaf first, then the intermediates; without the root. */
  readonly certificatesPem: string
  /** The same in DER. */
  readonly certificates: readonly Uint8Array[]
  readonly privateKey: KeyObject
  /** What the certificate says; excluded labels are not in it. */
  readonly identity: Identity
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** A provider of one workload's SVID; it can vouch for nobody else. */
export interface SvidSource {
  /** `undefined` while there is none that is valid now and describes the workload as it is now. */
  current (): Svid | undefined
  /** The current one, or the next; rejects with the signal's reason. */
  ready (signal: AbortSignal): Promise<Svid>
  /** Called with the new SVID, or with `undefined` when there is none any more. */
  onChange (listener: (svid: Svid | undefined) => void): Unsubscribe
}

/**
 * Joins a chain with the key that it was issued for. Throws IdentityError: with the code of `verifyChain` when peers
 * would not accept it, with `bad-request` when it is not for `keys`.
 */
export function svidFrom (chain: readonly Uint8Array[], keys: { readonly privateKey: KeyObject, readonly publicKey: KeyObject }, trust: TrustBundles, nowMs: number): Svid {
  const verdict = verifyChain(chain, trust, nowMs)
  if (!verdict.ok) throw new IdentityError(verdict.code, `the issued certificate would not be accepted: ${verdict.message}`)
  const certificates = chain.map(der => new X509Certificate(der))
  const [leaf] = certificates
  if (leaf === undefined || !leaf.publicKey.equals(keys.publicKey)) throw new IdentityError('bad-request', 'the issued certificate is for another key')
  return Object.freeze({
    certificatesPem: certificates.map(String).join(''),
    certificates: chain,
    privateKey: keys.privateKey,
    identity: verdict.identity,
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: verdict.notAfterMs,
  })
}
