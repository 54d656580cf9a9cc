/**
 * Bundles of other trust domains: fetched from their endpoints as often as they ask for, or read from files
 * (SPIFFE_Federation.md). The last good one counts until there is a newer one; an older one never replaces it.
 */

import { parseBundleFile } from './bundle.ts'
import { IssuerError } from './error.ts'
import { messageOf } from '../lib/error.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log } from '../observe/index.ts'
import type { Bundle } from './bundle.ts'
import type { FederatedBundles } from './keeper.ts'

/** A trust domain that is believed besides our own. */
export interface Relationship {
  readonly trustDomain: string
  /** Of its bundle endpoint; `undefined` for one that is only a file. */
  readonly url: string | undefined
  /** Who the endpoint is: whoever the authorities of the web say, or a SPIFFE ID. */
  readonly profile: 'https_web' | 'https_spiffe'
  /** With `https_spiffe`. */
  readonly endpointId: string
  /** Bundle to begin with (JWK Set or PEM); the only one without a URL. Empty for none. */
  readonly file: string
  /** With `https_web`: PEM of the authorities, in place of those of the web. Empty for the web's. */
  readonly caFile: string
}

/** Gets a bundle; `trusted` are the roots of the domain as known now. */
export type FetchBundle = (relationship: Relationship, trusted: Bundle | undefined, signal: AbortSignal) => Promise<Bundle>

export interface FederationParts {
  readonly fetch: FetchBundle
  readonly readFile: (path: string) => string
  readonly clock: Clock
  readonly log: Log
  /** Told after each try. */
  readonly tried: (trustDomain: string, ok: boolean) => void
  /** Told when a bundle is another one. */
  readonly changed: () => void
}

/** Bounds of how often an endpoint is asked, whatever it asks for; the middle one is the standard's default (4.1). */
const pollMs = { least: 30_000, usual: 300_000, most: 86_400_000 } as const
const timeoutMs = 20_000

export class Federation implements FederatedBundles {
  readonly #relationships: readonly Relationship[]
  readonly #parts: FederationParts
  readonly #bundles = new Map<string, Bundle>()
  readonly #timers = new Map<string, Timer>()
  readonly #stopped = new AbortController()

  constructor (relationships: readonly Relationship[], parts: FederationParts) {
    this.#relationships = relationships
    this.#parts = parts
  }

  current (): ReadonlyMap<string, Bundle> { return this.#bundles }

  learn (published: ReadonlyMap<string, Bundle>): void {
    for (const { trustDomain } of this.#relationships) {
      const bundle = published.get(trustDomain)
      const known = this.#bundles.get(trustDomain)
      if (bundle !== undefined && (known === undefined || isNewer(bundle, known))) this.#bundles.set(trustDomain, bundle)
    }
  }

  /** Begins to ask; each trust domain on its own, so that one that is away keeps no other waiting. */
  start (): void {
    for (const relationship of this.#relationships) void this.#refresh(relationship)
  }

  stop (): void {
    this.#stopped.abort(new Error('stopped'))
    for (const timer of this.#timers.values()) timer.cancel()
  }

  /** Never rejects. A failure is tried again at the next usual time, not sooner (6.2). */
  async #refresh (relationship: Relationship): Promise<void> {
    const { clock, log, tried } = this.#parts
    const { trustDomain } = relationship
    let ok = true
    try {
      this.#take(trustDomain, await this.#get(relationship))
    } catch (error) {
      ok = false
      if (!this.#stopped.signal.aborted) log.warn('bundle of another trust domain cannot be had; the last one stays', { trustDomain, error })
    }
    if (this.#stopped.signal.aborted) return
    tried(trustDomain, ok)
    const waitMs = Math.min(Math.max(this.#bundles.get(trustDomain)?.refreshHintMs ?? pollMs.usual, pollMs.least), pollMs.most)
    this.#timers.set(trustDomain, clock.after(waitMs, () => { void this.#refresh(relationship) }))
  }

  async #get (relationship: Relationship): Promise<Bundle> {
    const { trustDomain, url, file } = relationship
    const known = this.#bundles.get(trustDomain)
    if (url === undefined || known === undefined && file !== '') {
      const bundle = parseBundleFile(this.#parts.readFile(file), trustDomain)
      if (url === undefined) return bundle
      this.#take(trustDomain, bundle)
    }
    return this.#parts.fetch(relationship, this.#bundles.get(trustDomain), AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(timeoutMs)]))
  }

  #take (trustDomain: string, bundle: Bundle): void {
    const known = this.#bundles.get(trustDomain)
    for (const problem of bundle.skipped) this.#parts.log.warn('a root of another trust domain is left out', { trustDomain, problem: messageOf(problem) })
    if (known !== undefined && isNewer(known, bundle)) throw new IssuerError('bad-bundle', `its sequence ${bundle.sequence ?? 'none'} is older than ${known.sequence ?? 'none'}`)
    this.#bundles.set(trustDomain, bundle)
    if (known === undefined || !sameRoots(known, bundle)) this.#parts.changed()
  }
}

/** Whether `a` is known to have been published after `b`. */
function isNewer (a: Bundle, b: Bundle): boolean {
  return a.sequence !== undefined && b.sequence !== undefined && a.sequence > b.sequence
}

function sameRoots (a: Bundle, b: Bundle): boolean {
  const prints = ({ roots }: Bundle): string => roots.map(({ certificate }) => certificate.x509.fingerprint256).sort().join()
  return prints(a) === prints(b)
}
