/**
 * When which root and which signer comes and goes. Pure: the state and the time in, the next step out.
 *
 *   root 1    made ─ published ─ signs ──────────────────────────────── its last signer ends ─ dropped
 *   root 2                                made ─ published ─── lead ─── signs ───────────────────── ...
 *   signers            1 ─── 2 ─── 3 ─── ... n (root 1)              n+1 (root 2) ─── ...
 *
 * A *signer* is the intermediate whose key signs workloads; it is replaced at half of its life. A root signs only after
 * it has been in the published bundle for `leadMs`, so that whoever has to believe it knows it by then; only the very first root
 * need not wait, since there is nobody yet who believes another. A root leaves the bundle when the last
 * signer that it signed has ended, and with it everything that this signer signed: nothing outlives its signer.
 */

/** What is remembered of a root. Times are ms since the epoch. */
export interface RootFacts {
  /** SHA-256 fingerprint of its certificate. */
  readonly id: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Whether its key is here. */
  readonly hasKey: boolean
  /** Since when it has been in the published bundle; `undefined` until it is. */
  readonly publishedMs: number | undefined
  /** End of the last signer that it signed; 0 when it signed none. */
  readonly neededUntilMs: number
}

export interface SignerFacts {
  readonly rootId: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** How long things live, ms. */
export interface Lives {
  readonly rootMs: number
  readonly signerMs: number
  /** From publishing a root to its first signature. */
  readonly leadMs: number
}

export type Step =
  | { readonly kind: 'make-root' }
  /** The bundle, as `bundleOf` says, is not yet known to be published with these roots. */
  | { readonly kind: 'publish', readonly roots: readonly string[] }
  | { readonly kind: 'make-signer', readonly rootId: string }
  /** Its work is done; the key is a risk without a use. */
  | { readonly kind: 'forget-key', readonly rootId: string }
  | { readonly kind: 'drop-root', readonly rootId: string }

/**
 * What is due now, one step at a time; `undefined` when nothing is. For keys that the issuer makes itself. `roots` are in the
 * order in which they came, and that order counts: a clock may have been set back in between.
 */
export function nextStep (roots: readonly RootFacts[], signer: SignerFacts | undefined, lives: Lives, nowMs: number): Step | undefined {
  const live = roots.filter(root => nowMs <= root.notAfterMs)
  const newest = live.findLast(({ hasKey }) => hasKey)
  // A root that could not carry a whole signer after the lead is replaced now.
  if (newest === undefined || newest.notAfterMs < nowMs + lives.leadMs + lives.signerMs) return { kind: 'make-root' }
  return toPublish(live) ?? toSign(live, signer, lives, nowMs) ?? toForget(live, signer) ?? toDrop(roots, nowMs)
}

/** As `nextStep`, where keys and signers are given by somebody else: `offered` are the roots that come with them. */
export function nextGivenStep (roots: readonly RootFacts[], offered: readonly string[], nowMs: number): Step | undefined {
  const kept = roots.filter(({ id }) => !offered.includes(id))
  return toPublish(roots.filter(root => nowMs <= root.notAfterMs)) ?? toDrop(kept, nowMs)
}

/** Whether the root may sign by now. */
export function maySign (root: RootFacts, roots: readonly RootFacts[], leadMs: number, nowMs: number): boolean {
  if (root.publishedMs === undefined || nowMs > root.notAfterMs) return false
  const isFirst = roots.every(other => other.id === root.id || other.neededUntilMs < nowMs)
  return isFirst || root.publishedMs + leadMs <= nowMs
}

/** Roots that belong into the bundle now. */
export function bundleOf (roots: readonly RootFacts[], nowMs: number): readonly string[] {
  return roots.filter(root => nowMs <= root.notAfterMs).map(({ id }) => id)
}

function toPublish (live: readonly RootFacts[]): Step | undefined {
  return live.some(({ publishedMs }) => publishedMs === undefined) ? { kind: 'publish', roots: live.map(({ id }) => id) } : undefined
}

function toSign (live: readonly RootFacts[], signer: SignerFacts | undefined, lives: Lives, nowMs: number): Step | undefined {
  const root = live.findLast(root => root.hasKey && maySign(root, live, lives.leadMs, nowMs))
  if (root === undefined) return undefined
  const isFresh = signer !== undefined && signer.rootId === root.id && nowMs < (signer.notBeforeMs + signer.notAfterMs) / 2
  return isFresh ? undefined : { kind: 'make-signer', rootId: root.id }
}

function toForget (live: readonly RootFacts[], signer: SignerFacts | undefined): Step | undefined {
  const signs = live.findIndex(({ id }) => id === signer?.rootId)
  const done = live.find((root, i) => root.hasKey && i < signs)
  return done === undefined ? undefined : { kind: 'forget-key', rootId: done.id }
}

function toDrop (roots: readonly RootFacts[], nowMs: number): Step | undefined {
  const done = roots.find(root => nowMs > root.notAfterMs || !root.hasKey && nowMs > root.neededUntilMs)
  return done === undefined ? undefined : { kind: 'drop-root', rootId: done.id }
}
