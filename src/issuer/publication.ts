/**
 * The ConfigMap in which everybody finds whom to believe. Pure.
 *
 *   bundle.pem              all roots, ours and those of other trust domains: what agents mount
 *   bundle.json             our own, as the bundle endpoint serves it
 *   federated.<domain>.json those of another trust domain, so that a restart without a way there does not forget them
 *
 * Each root names its trust domain itself, and one that names another than it was fetched for never gets here: the list
 * is one, the trust is not.
 */

import { formatBundle, parseBundle } from './bundle.ts'
import { messageOf } from '../lib/error.ts'
import type { TrustRoot } from '../identity/index.ts'
import type { Bundle } from './bundle.ts'

export const bundleKeys = { pem: 'bundle.pem', own: 'bundle.json' } as const
const federatedKey = /^federated\.([a-z0-9._-]{1,200})\.json$/

export interface PublicationOptions {
  readonly trustDomain: string
  readonly refreshHintMs: number
}

/** The data of the ConfigMap for these roots; the sequence grows when our own roots are others than in `before`. */
export function publicationOf (roots: readonly TrustRoot[], federated: ReadonlyMap<string, Bundle>, before: Readonly<Record<string, string>>, nowMs: number, options: PublicationOptions): Readonly<Record<string, string>> {
  const others = [...federated].sort(([a], [b]) => a < b ? -1 : 1)
  const all = [...byFingerprint(roots), ...others.flatMap(([, bundle]) => byFingerprint(bundle.roots))]
  return {
    [bundleKeys.pem]: all.map(({ pem }) => pem.endsWith('\n') ? pem : `${pem}\n`).join(''),
    [bundleKeys.own]: formatBundle({ roots, sequence: sequenceOf(roots, before, nowMs, options), refreshHintMs: options.refreshHintMs }),
    ...Object.fromEntries(others.map(([domain, bundle]) => [`federated.${domain}.json`, formatBundle(bundle)])),
  }
}

/** The bundles of other trust domains that a ConfigMap holds; what cannot be read is passed over. */
export function federatedIn (data: Readonly<Record<string, string>>, tell: (problem: string) => void): ReadonlyMap<string, Bundle> {
  return new Map(Object.entries(data).flatMap(([key, text]) => {
    const domain = federatedKey.exec(key)?.[1]
    if (domain === undefined) return []
    try {
      return [[domain, parseBundle(text, domain)] as const]
    } catch (error) {
      tell(`${key}: ${messageOf(error)}`)
      return []
    }
  }))
}

/** Never smaller than the time in seconds, so that it grows even when the ConfigMap was deleted in between. */
function sequenceOf (roots: readonly TrustRoot[], before: Readonly<Record<string, string>>, nowMs: number, { trustDomain, refreshHintMs }: PublicationOptions): number {
  const last = readOwn(before[bundleKeys.own], trustDomain)
  if (last?.sequence === undefined) return Math.floor(nowMs / 1000)
  const isSame = formatBundle({ ...last, sequence: 0 }) === formatBundle({ roots, sequence: 0, refreshHintMs })
  return isSame ? last.sequence : Math.max(last.sequence + 1, Math.floor(nowMs / 1000))
}

function readOwn (text: string | undefined, trustDomain: string): Bundle | undefined {
  try {
    return text === undefined ? undefined : parseBundle(text, trustDomain)
  } catch {
    return undefined // somebody has written into it; it is about to be written anew
  }
}

function byFingerprint (roots: readonly TrustRoot[]): readonly TrustRoot[] {
  return [...roots].sort((a, b) => a.certificate.x509.fingerprint256 < b.certificate.x509.fingerprint256 ? -1 : 1)
}
