/** The Secret in which the issuer remembers its roots: `roots.json`, a list of certificates with keys and times. */

import { createHash } from 'node:crypto'
import { IssuerError } from './error.ts'
import { certificatesIn, trustRootOf } from '../identity/index.ts'
import { messageOf } from '../lib/error.ts'
import type { TrustRoot } from '../identity/index.ts'
import type { RootFacts } from './timetable.ts'

/** One root. */
export interface RootEntry extends RootFacts {
  readonly certificatePem: string
  /** PKCS#8 in PEM; empty when it is not here, or no longer. */
  readonly keyPem: string
}

/** The key of the Secret's data. */
export const rootsKey = 'roots.json'

const mostRoots = 32

export function newRootEntry (certificatePem: string, keyPem: string): RootEntry {
  const { certificate } = rootOf(certificatePem)
  const { notBeforeMs, notAfterMs } = certificate
  return { id: rootIdOf(certificate.der), certificatePem, keyPem, hasKey: keyPem !== '', notBeforeMs, notAfterMs, publishedMs: undefined, neededUntilMs: 0 }
}

export function rootIdOf (der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}

export function rootOf (certificatePem: string): TrustRoot {
  const [der, ...others] = certificatesIn(certificatePem)
  if (der === undefined || others.length > 0) throw new IssuerError('bad-secret', 'exactly one certificate expected')
  return trustRootOf(der)
}

export function formatRoots (roots: readonly RootEntry[]): string {
  return JSON.stringify({ roots: roots.map(({ certificatePem, keyPem, publishedMs, neededUntilMs }) => ({ certificate: certificatePem, key: keyPem, publishedMs, neededUntilMs })) })
}

/** Throws `bad-secret`; says nothing of what the text was. */
export function parseRoots (text: string): readonly RootEntry[] {
  try {
    const { roots } = JSON.parse(text) as { roots?: unknown } // looked at below
    if (!Array.isArray(roots) || roots.length > mostRoots) throw new Error(`a list of at most ${mostRoots} roots expected`)
    return roots.map(parseRoot)
  } catch (error) {
    // The message of a JSON parser quotes the text, in which there are keys.
    throw new IssuerError('bad-secret', `${rootsKey}: ${error instanceof SyntaxError ? 'it is not JSON' : messageOf(error)}`)
  }
}

function parseRoot (value: unknown): RootEntry {
  if (typeof value !== 'object' || value === null) throw new Error('a root is no map')
  const { certificate, key, publishedMs, neededUntilMs } = value as Readonly<Record<string, unknown>> // each is looked at
  if (typeof certificate !== 'string' || typeof key !== 'string') throw new Error('a root without certificate or key')
  if (!isTime(neededUntilMs) || publishedMs !== undefined && !isTime(publishedMs)) throw new Error('a root without its times')
  return { ...newRootEntry(certificate, key), publishedMs, neededUntilMs }
}

function isTime (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
