/** What a handshake is given, and whom it has proven. */

import { HandshakeError } from '../frames/index.ts'
import { verifyChain } from '../identity/index.ts'
import type { Svid, SvidSource, TrustBundles, TrustSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Identity } from '../model/workload.ts'
import type { TlsOptions } from './tls.ts'

/** What a handshake needs. `svids` can vouch for one pod only: the one whose connection it is. */
export interface HandshakeParts extends TlsOptions {
  /** The least that the pod is content with, as of now. */
  readonly mode: SecureMode
  /** How long after a full handshake others of the same two pods may rest on it, ms; 0: each proves certificates. */
  readonly resumeForMs: number
  readonly svids: SvidSource
  readonly trust: TrustSource
  readonly clock: Clock
}

/** Whom the handshake has proven. */
export interface ProvenPeer {
  readonly identity: Identity
  readonly notAfterMs: number
  /** The chain as shown, leaf first, DER: it is verified again when trust changes. */
  readonly chain: readonly Uint8Array[]
}

/** Verifies a chain as of now; throws HandshakeError 'peer-untrusted' with the identity code as detail. */
export function verify (chain: readonly Uint8Array[], trust: TrustBundles, { clock }: HandshakeParts): ProvenPeer {
  const proven = verifyChain(chain, trust, clock.now())
  if (!proven.ok) throw new HandshakeError('peer-untrusted', proven.code, { cause: new Error(proven.message) })
  return { identity: proven.identity, notAfterMs: proven.notAfterMs, chain: proven.chain }
}

/**
 * Our pod's certificate. Right after a change of the pod's labels it may be a moment away, and is waited for. Rejects
 * with HandshakeError 'no-identity'.
 */
export async function ownSvid ({ svids }: HandshakeParts, signal: AbortSignal): Promise<Svid> {
  try {
    return svids.current() ?? await svids.ready(signal)
  } catch (error) {
    throw new HandshakeError('no-identity', 'no valid certificate in time', { cause: error })
  }
}
