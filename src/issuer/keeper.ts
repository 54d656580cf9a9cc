/**
 * Keeps the authority of the trust domain: makes roots and signers when they are due, publishes the bundle, and says
 * what signs now. Every replica does so, on its own and with no leader: each step replaces exactly the version that it was planned
 * from, so of two that do the same step one finds itself overtaken, looks again, and has nothing left to do.
 *
 * The root's key lies in the roots' Secret and is read for the moment in which it signs a signer; what signs day by day is the
 * signer's key.
 */

import { isDeepStrictEqual } from 'node:util'
import { bundleKeys, federatedIn, publicationOf } from './publication.ts'
import { IssuerError } from './error.ts'
import { conflict } from './shared.ts'
import { newRootEntry, rootIdOf, rootOf } from './roots.ts'
import { signerData } from './signer.ts'
import { bundleOf, maySign, nextGivenStep, nextStep } from './timetable.ts'
import { Authority, newAuthorityFiles, newIntermediateFiles, TrustBundles } from '../identity/index.ts'
import { Emitter } from '../lib/emitter.ts'
import type { AuthorityOptions, Issuer, TrustSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Log } from '../observe/index.ts'
import type { Bundle } from './bundle.ts'
import type { RootEntry } from './roots.ts'
import type { Shared, SharedState } from './shared.ts'
import type { Signer } from './signer.ts'
import type { Lives, Step } from './timetable.ts'

/** Bundles of other trust domains. */
export interface FederatedBundles {
  /** Those that are known now, by trust domain. */
  current (): ReadonlyMap<string, Bundle>
  /** What an earlier life or another replica has published; the newer one counts. */
  learn (published: ReadonlyMap<string, Bundle>): void
}

export interface KeeperOptions {
  readonly trustDomain: string
  /** `generated`: roots and signers are made here. `given`: the signer's Secret is somebody else's, and only read. */
  readonly kind: 'generated' | 'given'
  readonly lives: Lives
  readonly refreshHintMs: number
  readonly authority: AuthorityOptions
}

export interface KeeperParts {
  readonly shared: Shared
  readonly federated: FederatedBundles
  readonly clock: Clock
  readonly log: Log
}

/** Far more than the steps from nothing to a first signature. */
const mostSteps = 32

export class Keeper implements TrustSource {
  readonly #options: KeeperOptions
  readonly #parts: KeeperParts
  readonly #changes = new Emitter<TrustBundles>()
  #trust = new TrustBundles([])
  #authority: { readonly signerId: string, readonly signs: Authority } | undefined
  #ownBundle: string | undefined
  #roots: readonly RootEntry[] = []

  constructor (options: KeeperOptions, parts: KeeperParts) {
    const { rootMs, signerMs, leadMs } = options.lives
    if (rootMs < 2 * (signerMs + leadMs)) throw new IssuerError('config-invalid', 'a root has to live at least twice as long as a signer and the lead together')
    this.#options = options
    this.#parts = parts
  }

  /** What signs now. Throws `unavailable` while there is nothing, or when it has ended. */
  authority (): Authority {
    const signs = this.#authority?.signs
    if (signs === undefined || this.#parts.clock.now() > signs.notAfterMs) throw new IssuerError('unavailable', 'there is no key to sign with')
    return signs
  }

  /** As `authority`, for our own certificate. */
  readonly issuer: Issuer = { issue: async (identity, key, ttlMs, signal) => this.authority().issue(identity, key, ttlMs, signal) }

  bundles (): TrustBundles { return this.#trust }
  onChange (listener: (bundles: TrustBundles) => void): Unsubscribe { return this.#changes.on(listener) }

  /** Our own bundle as it was last published; `undefined` until it is. */
  ownBundle (): string | undefined { return this.#ownBundle }

  /** For metrics. */
  state (): { readonly roots: number, readonly rootEndsMs: number, readonly signerEndsMs: number } {
    return { roots: this.#roots.length, rootEndsMs: Math.max(0, ...this.#roots.map(({ notAfterMs }) => notAfterMs)), signerEndsMs: this.#authority?.signs.notAfterMs ?? 0 }
  }

  /** Does what is due, and takes over what others did. Not to be called again before it has ended. Rejects when something cannot be done; what signs now goes on. */
  async tick (signal: AbortSignal): Promise<void> {
    for (let steps = 0; steps < mostSteps; steps++) {
      const seen = await this.#adopted(await this.#parts.shared.read(signal), signal)
      if (seen === conflict) continue
      const step = this.#step(seen)
      if (step === undefined) {
        if (await this.#publish(seen, signal) === conflict) continue
        this.#use(seen)
        return
      }
      if (await this.#apply(step, seen, signal) !== conflict) this.#parts.log.info('authority step done', { step: step.kind, ...'rootId' in step ? { root: step.rootId } : {} })
    }
    throw new IssuerError('conflict', 'the authority does not come to rest; does another issuer with other settings use the same Secrets?')
  }

  /** Roots that came with the signer are remembered before anything else: also when the roots' Secret was lost. */
  async #adopted (seen: SharedState, signal: AbortSignal): Promise<SharedState | typeof conflict> {
    const { signer, roots } = seen
    const news = signer === undefined ? [] : signer.roots.map(({ pem }) => newRootEntry(pem, '')).filter(({ id }) => roots.every(root => root.id !== id))
    // In front: whatever was made here came later, or is yet to sign.
    const known = [...news, ...roots]
    const all = known.map(root => root.id === signer?.rootId ? withUse(root, signer.notAfterMs, this.#options.kind === 'generated' || this.#isUsable(signer, known)) : root)
    if (isDeepStrictEqual(all, roots)) return seen
    await this.#parts.shared.writeRoots(all, seen, signal)
    return conflict // read again, whether it was written or overtaken
  }

  #step ({ roots, signer }: SharedState): Step | undefined {
    const nowMs = this.#parts.clock.now()
    if (this.#options.kind === 'generated') return nextStep(roots, signer, this.#options.lives, nowMs)
    if (signer === undefined) throw new IssuerError('bad-secret', 'the Secret with the given signer is not there')
    return nextGivenStep(roots, signer.roots.map(({ certificate }) => rootIdOf(certificate.der)), nowMs)
  }

  async #apply (step: Step, seen: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    const { shared, clock } = this.#parts
    const { trustDomain, lives } = this.#options
    const change = (id: string, with_: Partial<RootEntry>): readonly RootEntry[] => seen.roots.map(root => root.id === id ? { ...root, ...with_ } : root)
    switch (step.kind) {
      case 'make-root': {
        const { certificatePem, keyPem } = newAuthorityFiles(trustDomain, clock.now(), lives.rootMs)
        return shared.writeRoots([...seen.roots, newRootEntry(certificatePem, keyPem)], seen, signal)
      }
      case 'publish': {
        if (await this.#publish(seen, signal) === conflict) return conflict
        return shared.writeRoots(seen.roots.map(root => ({ ...root, publishedMs: root.publishedMs ?? clock.now() })), seen, signal)
      }
      case 'make-signer': return this.#makeSigner(step.rootId, seen, signal)
      case 'forget-key': return shared.writeRoots(change(step.rootId, { keyPem: '', hasKey: false }), seen, signal)
      case 'drop-root': return shared.writeRoots(seen.roots.filter(({ id }) => id !== step.rootId), seen, signal)
    }
  }

  /** First it is written down how long the root is needed, then there is something for which it is. */
  async #makeSigner (rootId: string, seen: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    const { shared, clock } = this.#parts
    const root = seen.roots.find(({ id }) => id === rootId)
    if (root === undefined) return conflict
    const nowMs = clock.now()
    const { keyPem, certificatePem } = newIntermediateFiles(root, nowMs, this.#options.lives.signerMs)
    const needed = withUse(root, Math.min(nowMs + this.#options.lives.signerMs, root.notAfterMs), true)
    if (await shared.writeRoots(seen.roots.map(each => each === root ? needed : each), seen, signal) === conflict) return conflict
    return shared.writeSigner(signerData(keyPem, certificatePem, root.certificatePem), seen, signal)
  }

  /** Writes the ConfigMap when it is not as it should be, whoever changed it. */
  async #publish (seen: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    const { shared, federated, clock, log } = this.#parts
    const before = seen.bundle?.data ?? {}
    federated.learn(federatedIn(before, problem => { log.warn('a published bundle cannot be read', { problem }) }))
    const ids = bundleOf(seen.roots, clock.now())
    const roots = seen.roots.filter(({ id }) => ids.includes(id)).map(({ certificatePem }) => rootOf(certificatePem))
    const others = federated.current()
    const data = publicationOf(roots, others, before, clock.now(), this.#options)
    if (!isDeepStrictEqual({ ...data }, { ...before })) {
      if (await shared.writeBundle(data, seen, signal) === conflict) return conflict
      log.info('trust bundle published', { roots: ids.length, federated: [...others.keys()] })
    }
    this.#ownBundle = data[bundleKeys.own]
    const trust = new TrustBundles([...roots, ...[...others.values()].flatMap(bundle => bundle.roots)])
    if (trust.equals(this.#trust)) return undefined
    this.#trust = trust
    this.#changes.emit(trust)
    return undefined
  }

  /** From now on this signs. */
  #use ({ signer, roots }: SharedState): void {
    this.#roots = roots
    if (signer === undefined || signer.id === this.#authority?.signerId) return
    if (this.#options.kind === 'given' && !this.#isUsable(signer, roots)) return
    this.#authority = { signerId: signer.id, signs: new Authority(signer.material, this.#options.authority) }
    this.#parts.log.info('authority signs', { signer: signer.id, root: signer.rootId, notAfter: new Date(signer.notAfterMs).toISOString() })
  }

  /** A given signer waits until its root has been published for long enough, unless there is no other: better a few who do not know it yet than nobody served. */
  #isUsable (signer: Signer, roots: readonly RootEntry[]): boolean {
    const root = roots.find(({ id }) => id === signer.rootId)
    const nowMs = this.#parts.clock.now()
    if (root === undefined) return false
    const former = this.#authority?.signs
    return former === undefined || nowMs > former.notAfterMs || maySign(root, roots, this.#options.lives.leadMs, nowMs)
  }
}

function withUse (root: RootEntry, untilMs: number, isUsed: boolean): RootEntry {
  return isUsed && root.neededUntilMs < untilMs ? { ...root, neededUntilMs: untilMs } : root
}
