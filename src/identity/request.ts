/** One try to get an SVID: a fresh key, the issuer's answer within a time, and a look at that answer. */

import { generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { IdentityError } from './error.ts'
import { svidFrom } from './svid.ts'
import { before } from '../lib/before.ts'
import { sameSpiffeId } from '../model/spiffe-id.ts'
import type { Clock } from '../lib/clock.ts'
import type { Identity } from '../model/workload.ts'
import type { Issuer } from './issuer.ts'
import type { Svid } from './svid.ts'
import type { TrustSource } from './trust.ts'

/** What a rotation needs of others. */
export interface RotationParts {
  readonly issuer: Issuer
  readonly trust: TrustSource
  readonly clock: Clock
}

const makeKeys = promisify(generateKeyPair)

/**
 * Resolves with an SVID that peers with our trust would accept; rejects otherwise, and when `round` is aborted, even if the
 * issuer does not care. Aborts `round` itself after `timeoutMs`. The key never leaves this process and is used for one certificate only.
 */
export async function requestSvid (identity: Identity, parts: RotationParts, ttlMs: number, timeoutMs: number, round: AbortController): Promise<Svid> {
  const { signal } = round
  const timer = parts.clock.after(timeoutMs, () => { round.abort(new Error(`the issuer did not answer within ${timeoutMs} ms`)) })
  try {
    return await before(obtain(identity, parts, ttlMs, signal), signal)
  } finally {
    timer.cancel()
  }
}

async function obtain (identity: Identity, { issuer, trust, clock }: RotationParts, ttlMs: number, signal: AbortSignal): Promise<Svid> {
  const keys = await makeKeys('ec', { namedCurve: 'P-256' })
  signal.throwIfAborted()
  const chain = await issuer.issue(identity, keys.publicKey, ttlMs, signal, statement => sign('sha256', statement, keys.privateKey))
  const svid = svidFrom(chain, keys, trust.bundles(), clock.now())
  mustBeOf(identity, svid)
  return svid
}

/** The issuer may know labels better than we do; whose certificate it is it may not. */
function mustBeOf (wanted: Identity, { identity }: Svid): void {
  const [a, b] = [wanted.attributes, identity.attributes]
  const same = sameSpiffeId(wanted.spiffeId, identity.spiffeId) && a.cluster === b.cluster && a.name === b.name && a.uid === b.uid
  if (!same) throw new IdentityError('bad-request', 'the issued certificate is for another workload')
}
