/**
 * A trust bundle as others read it: a JWK Set (SPIFFE_Trust_Domain_and_Bundle.md, 4; X509-SVID.md, 6), each root an element with
 * `use: x509-svid` and its certificate in `x5c`.
 */

import { createPublicKey } from 'node:crypto'
import { IssuerError } from './error.ts'
import { certificatesIn, trustRootOf } from '../identity/index.ts'
import { messageOf } from '../lib/error.ts'
import type { TrustRoot } from '../identity/index.ts'

/** The roots of one trust domain, as published. */
export interface Bundle {
  readonly roots: readonly TrustRoot[]
  /** Grows with every change; `undefined` where the other side counts nothing. */
  readonly sequence: number | undefined
  /** How often to look again; `undefined` where the other side does not say. */
  readonly refreshHintMs: number | undefined
  /** What was left out, and why. */
  readonly skipped: readonly string[]
}

const mostKeys = 256
const base64 = /^[A-Za-z0-9+/]+={0,2}$/

/** JSON text of the set; the same roots in any order give the same text. */
export function formatBundle ({ roots, sequence, refreshHintMs }: Pick<Bundle, 'roots' | 'sequence' | 'refreshHintMs'>): string {
  const keys = [...roots].sort((a, b) => a.certificate.x509.fingerprint256 < b.certificate.x509.fingerprint256 ? -1 : 1).map(jwkOf)
  // What is undefined is left out.
  return JSON.stringify({ keys, spiffe_sequence: sequence, spiffe_refresh_hint: refreshHintMs === undefined ? undefined : Math.round(refreshHintMs / 1000) })
}

/**
 * Reads what another trust domain publishes. Throws `bad-bundle` when nothing in it can be used. A root that is not of `trustDomain`
 * is left out: who vouches for one domain says nothing about another.
 */
export function parseBundle (text: string, trustDomain: string): Bundle {
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: hint } = setOf(text)
  if (!Array.isArray(keys) || keys.length > mostKeys) throw bad(`keys: a list of at most ${mostKeys} expected`)
  return bundleFrom(keys.flatMap(certificateOf), trustDomain, count(sequence, 'spiffe_sequence'), count(hint, 'spiffe_refresh_hint'))
}

/** A file with a bundle: a JWK Set, or roots in PEM. */
export function parseBundleFile (text: string, trustDomain: string): Bundle {
  return text.trimStart().startsWith('{') ? parseBundle(text, trustDomain) : bundleFrom([...certificatesIn(text)], trustDomain, undefined, undefined)
}

function bundleFrom (certificates: readonly Uint8Array[], trustDomain: string, sequence: number | undefined, hintSeconds: number | undefined): Bundle {
  const roots: TrustRoot[] = []
  const skipped: string[] = []
  for (const der of certificates) {
    try {
      const root = trustRootOf(der)
      if (root.trustDomain === trustDomain) roots.push(root)
      else skipped.push(`a root of ${root.trustDomain}`)
    } catch (error) {
      skipped.push(messageOf(error))
    }
  }
  if (roots.length === 0) throw bad(`it holds no root of ${trustDomain}${skipped.map(each => `; ${each}`).join('')}`)
  return { roots, sequence, refreshHintMs: hintSeconds === undefined ? undefined : hintSeconds * 1000, skipped }
}

function jwkOf ({ certificate }: TrustRoot): Record<string, unknown> {
  const { kty, crv, x, y } = createPublicKey(certificate.x509.publicKey.export({ type: 'spki', format: 'pem' })).export({ format: 'jwk' })
  return { kty, use: 'x509-svid', crv, x, y, x5c: [Buffer.from(certificate.der).toString('base64')] }
}

/** Elements of another use are ignored (4.2.2). */
function certificateOf (jwk: unknown): Uint8Array[] {
  if (typeof jwk !== 'object' || jwk === null || !('use' in jwk) || jwk.use !== 'x509-svid') return []
  const x5c: unknown = 'x5c' in jwk ? jwk.x5c : undefined
  const [certificate, more]: unknown[] = Array.isArray(x5c) ? x5c : []
  if (typeof certificate !== 'string' || !base64.test(certificate) || more !== undefined) throw bad('x5c of a key with use x509-svid: exactly one certificate expected')
  return [Buffer.from(certificate, 'base64')]
}

function setOf (text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>> // each field is looked at
  } catch { /* told below */ }
  throw bad('it is not a JWK Set')
}

function count (value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw bad(`${name} is not a whole number`)
}

function bad (message: string): IssuerError {
  return new IssuerError('bad-bundle', message)
}
