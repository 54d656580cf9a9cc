/**
 * Our own verdict on a peer's certificate chain, independent of what the TLS library made of it.
 *
 * The library knows neither trust domains nor attributes, and what it does know depends on options and versions. So
 * it may be told to accept any certificate: possession of the key is proven by the handshake, everything else here.
 */

import { decodeAttributes, maxAttributesBytes } from './attributes.ts'
import { parseCertificate } from './certificate.ts'
import { IdentityError } from './error.ts'
import { findPath, maxIntermediates } from './path.ts'
import { checkLeaf } from './profile.ts'
import { VerifiedChains } from './verified-chains.ts'
import { namespaceNameLabel } from '../model/labels.ts'
import type { SpiffeId } from '../model/spiffe-id.ts'
import type { Identity, WorkloadAttributes } from '../model/workload.ts'
import type { Certificate } from './certificate.ts'
import type { ChainErrorCode } from './error.ts'
import type { TrustBundles } from './trust.ts'
import type { VerifiedChain } from './verified-chains.ts'

/** Bounds of a verification. */
export interface VerifyOptions {
  /** Largest attributes extension, bytes. @default 16384 */
  readonly maxAttributesBytes?: number
}

/** The chain proves this identity. */
export interface AcceptedChain {
  readonly ok: true
  readonly identity: Identity
  /** The chain itself, in a copy that all have who were shown it. */
  readonly chain: readonly Uint8Array[]
  /** End of the first certificate of the path to end, ms since the epoch. */
  readonly notAfterMs: number
}

/** The chain proves nothing, and why. */
export interface RefusedChain {
  readonly ok: false
  readonly code: ChainErrorCode
  /** For the log: lower case, no final period; quotes nothing of the peer's but numbers, OIDs and trust domains that we know. */
  readonly message: string
}

/** The verdict on a chain. */
export type VerifyResult = AcceptedChain | RefusedChain

/** Room in a certificate besides the attributes. */
const maxOtherBytes = 8 * 1024

const verifiedChains = new VerifiedChains()

/**
 * Whether the chain proves an identity at `nowMs`. DER, leaf first, then 0 to 2 intermediates; the root may follow.
 * Never throws. Chains that passed are remembered as long as `trust` lives; their time is checked at every call.
 */
export function verifyChain (chain: readonly Uint8Array[], trust: TrustBundles, nowMs: number, options: VerifyOptions = {}): VerifyResult {
  try {
    const limit = options.maxAttributesBytes ?? maxAttributesBytes
    checkSize(chain, limit + maxOtherBytes)
    const verified = verifiedChains.take(trust, chain) ?? verifiedChains.put(trust, chain, verifyOnce(chain, trust, limit))
    if (verified.attributesBytes > limit) throw tooLarge(verified.attributesBytes)
    checkTime(verified, nowMs)
    return { ok: true, identity: verified.identity, chain: verified.chain, notAfterMs: verified.notAfterMs }
  } catch (error) {
    return refusal(error)
  }
}

function checkSize (chain: readonly Uint8Array[], most: number): void {
  if (chain.length === 0) throw new IdentityError('no-certificate', 'no certificate was presented')
  if (chain.length > maxIntermediates + 2) throw new IdentityError('too-large', `${chain.length} certificates were presented`)
  const longest = Math.max(...chain.map(({ length }) => length))
  if (longest > most) throw new IdentityError('too-large', `a certificate takes ${longest} bytes`)
}

/** Everything that does not change with time. Attributes come last: they are read only once an authority is known to have signed them. */
function verifyOnce (chain: readonly Uint8Array[], trust: TrustBundles, limit: number): VerifiedChain {
  const [leaf, ...presented] = chain.map(parseCertificate)
  if (leaf === undefined) throw new IdentityError('no-certificate', 'no certificate was presented')
  const spiffeId = checkLeaf(leaf)
  const path = findPath(leaf, presented, spiffeId.trustDomain, trust)
  const attributes = attributesOf(leaf, spiffeId, limit)
  return {
    chain,
    identity: Object.freeze({ spiffeId: Object.freeze(spiffeId), attributes }),
    attributesBytes: leaf.attributes?.length ?? 0,
    notBeforeMs: Math.max(...path.map(({ notBeforeMs }) => notBeforeMs)),
    notAfterMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)),
  }
}

function attributesOf (leaf: Certificate, spiffeId: SpiffeId, limit: number): WorkloadAttributes {
  if (leaf.attributes === undefined) throw new IdentityError('no-attributes', 'the certificate carries no workload attributes')
  const attributes = decodeAttributes(leaf.attributes, limit)
  checkAgreement(spiffeId, attributes)
  return attributes
}

/** Throws `bad-attributes` when the attributes are of another namespace than the ID, or hide their namespace's name. */
export function checkAgreement ({ namespace }: SpiffeId, attributes: WorkloadAttributes): void {
  if (attributes.namespace !== namespace) throw new IdentityError('bad-attributes', 'the attributes are of another namespace than the id')
  if (attributes.namespaceLabels[namespaceNameLabel] !== namespace) throw new IdentityError('bad-attributes', `the namespace label ${namespaceNameLabel} is not the namespace of the id`)
}

/** Both ends of the validity belong to it (RFC 5280, 4.1.2.5); the end has second precision. */
function checkTime ({ notBeforeMs, notAfterMs }: VerifiedChain, nowMs: number): void {
  if (nowMs < notBeforeMs) throw new IdentityError('not-yet-valid', `valid only from ${new Date(notBeforeMs).toISOString()} on`)
  // Written so that a clock that says NaN is refused, too.
  if (!(nowMs <= notAfterMs)) throw new IdentityError('expired', `valid only until ${new Date(notAfterMs).toISOString()}`)
}

function tooLarge (bytes: number): IdentityError {
  return new IdentityError('attributes-too-large', `the attributes take ${bytes} bytes`)
}

/** An error that is not ours came out of a parser that met what it does not know. */
function refusal (error: unknown): RefusedChain {
  if (!(error instanceof IdentityError)) return { ok: false, code: 'malformed', message: 'the certificate cannot be read' }
  // Nothing below verifyChain throws an OwnErrorCode.
  return { ok: false, code: error.code as ChainErrorCode, message: error.message }
}
