/**
 * One workload's SVID over time: issued, renewed at half of its life, kept while renewal fails, gone when it ends.
 *
 * When the workload itself changes (a label), its old certificate says something that is no longer so. Nobody can
 * tell whether the change took a right away, so the old one is withdrawn at once and not only when the new one is
 * there: until then `current` is undefined. New connections can wait for it with `ready` (a local authority takes
 * milliseconds); with an issuer out of reach they fail, and that is the price of failing closed.
 */

import { isDeepStrictEqual } from 'node:util'
import { requestSvid } from './request.ts'
import { defaultExcludedLabels, signedAttributes } from './signed-labels.ts'
import { backoffMs } from '../lib/backoff.ts'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import { sameSpiffeId } from '../model/spiffe-id.ts'
import type { BackoffOptions } from '../lib/backoff.ts'
import type { Timer } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Identity } from '../model/workload.ts'
import type { RotationParts } from './request.ts'
import type { Svid, SvidSource } from './svid.ts'

/** Settings of a rotation. */
export interface RotationOptions {
  /** Lifetime asked for, ms. @default 3600000 */
  readonly ttlMs?: number
  /** How long one try may take, ms. @default 10000 */
  readonly issueTimeoutMs?: number
  /** A change of only these pod labels changes nothing that is signed. @default defaultExcludedLabels */
  readonly excludedLabels?: readonly string[]
  /** Between failed tries. @default from half a second to a minute */
  readonly retry?: BackoffOptions
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** For readiness and metrics. */
export interface RotationState {
  /** End of the certificate that `current` gives; `undefined` without one. */
  readonly notAfterMs: number | undefined
  /** When the next try is due; `undefined` while one is under way, and after `stop`. */
  readonly nextTryMs: number | undefined
  /** Failed tries since the last success. */
  readonly failures: number
  readonly lastError: string | undefined
}

/** Timers sleep while the machine does, and know nothing of a clock that is set: look at the clock at least this often. */
const longestSleepMs = 60_000

const defaults: Required<RotationOptions> = {
  ttlMs: 3_600_000, issueTimeoutMs: 10_000, excludedLabels: defaultExcludedLabels, retry: { firstMs: 500, mostMs: 60_000 }, random: Math.random,
}

/** Life: `start`, then any number of `refresh`, then `stop` for good. */
export class SvidRotation implements SvidSource {
  readonly #parts: RotationParts
  readonly #options: Required<RotationOptions>
  readonly #changes = new Emitter<Svid | undefined>()
  readonly #failed = new Emitter<unknown>()
  #identity: Identity
  #svid: Svid | undefined
  /** The try under way. */
  #round: AbortController | undefined
  #nextTryMs: number | undefined
  #timer: Timer | undefined
  #failures = 0
  #lastError: string | undefined
  #life: 'new' | 'running' | 'stopped' = 'new'

  constructor (identity: Identity, parts: RotationParts, options: RotationOptions = {}) {
    this.#identity = identity
    this.#parts = parts
    this.#options = { ...defaults, ...options }
  }

  /** Begins to issue; `ready` tells when there is something. */
  start (): void {
    if (this.#life !== 'new') return
    this.#life = 'running'
    void this.#try()
  }

  /** Ends renewal and forgets the certificate. */
  stop (): void {
    this.#life = 'stopped'
    this.#abandonRound()
    this.#nextTryMs = undefined
    this.#timer?.cancel()
    this.#replace(undefined)
  }

  current (): Svid | undefined {
    return this.#svid !== undefined && this.#parts.clock.now() <= this.#svid.notAfterMs ? this.#svid : undefined
  }

  onChange (listener: (svid: Svid | undefined) => void): Unsubscribe {
    return this.#changes.on(listener)
  }

  /** Every failed try, for the log. */
  onFailure (listener: (error: unknown) => void): Unsubscribe {
    return this.#failed.on(listener)
  }

  /** The current SVID, or the next one; rejects with the signal's reason. */
  async ready (signal: AbortSignal): Promise<Svid> {
    const there = this.current()
    if (there !== undefined) return there
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<Svid>()
    const onAbort = (): void => { reject(signal.reason) }
    signal.addEventListener('abort', onAbort)
    const unsubscribe = this.onChange(svid => { if (svid !== undefined) resolve(svid) })
    try {
      return await promise
    } finally {
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The workload as it is now. Where that changes what is signed, the certificate is withdrawn and a new one asked for at once. */
  refresh (identity: Identity): void {
    const same = sameSigned(this.#identity, identity, this.#options.excludedLabels)
    this.#identity = identity
    if (same || this.#life !== 'running') return
    this.#abandonRound()
    this.#failures = 0
    this.#replace(undefined)
    void this.#try()
  }

  state (): RotationState {
    return { notAfterMs: this.current()?.notAfterMs, nextTryMs: this.#nextTryMs, failures: this.#failures, lastError: this.#lastError }
  }

  /** Never rejects, but for a listener that throws. */
  async #try (): Promise<void> {
    const round = new AbortController()
    this.#round = round
    this.#nextTryMs = undefined
    this.#arm()
    const { ttlMs, issueTimeoutMs } = this.#options
    const result = await requestSvid(this.#identity, this.#parts, ttlMs, issueTimeoutMs, round).then(svid => ({ svid }), (error: unknown) => ({ error }))
    if (this.#round !== round) return // abandoned meanwhile; what it brought is of a workload that is no more
    this.#round = undefined
    if ('svid' in result) this.#succeed(result.svid)
    else this.#fail(result.error)
  }

  #succeed (svid: Svid): void {
    const nowMs = this.#parts.clock.now()
    this.#failures = 0
    this.#lastError = undefined
    this.#nextTryMs = renewalMs(nowMs, svid.notAfterMs, this.#options.random())
    this.#arm()
    this.#replace(svid)
  }

  #fail (error: unknown): void {
    const { retry, random } = this.#options
    this.#nextTryMs = this.#parts.clock.now() + backoffMs(this.#failures, { random, ...retry })
    this.#failures++
    this.#lastError = messageOf(error)
    this.#arm()
    this.#failed.emit(error)
  }

  #abandonRound (): void {
    this.#round?.abort(new Error('no longer wanted'))
    this.#round = undefined
  }

  #replace (svid: Svid | undefined): void {
    if (this.#svid === svid) return
    this.#svid = svid
    this.#changes.emit(svid)
  }

  /** Sets the one timer to whatever comes first: the next try, the end of the certificate, or another look at the clock. */
  #arm (): void {
    this.#timer?.cancel()
    const nowMs = this.#parts.clock.now()
    const nextMs = Math.min(this.#nextTryMs ?? Infinity, (this.#svid?.notAfterMs ?? Infinity) + 1, nowMs + longestSleepMs)
    this.#timer = this.#parts.clock.after(nextMs - nowMs, () => { this.#wake() })
  }

  #wake (): void {
    const nowMs = this.#parts.clock.now()
    if (this.#svid !== undefined && this.current() === undefined) this.#replace(undefined)
    if (this.#nextTryMs !== undefined && nowMs >= this.#nextTryMs) void this.#try()
    else this.#arm()
  }
}

/** Between 40 and 50 % of what is left of the life: hundreds of pods of one node do not all renew in the same second. */
function renewalMs (nowMs: number, notAfterMs: number, random: number): number {
  return nowMs + (notAfterMs - nowMs) * (0.5 - 0.1 * random)
}

function sameSigned (a: Identity, b: Identity, excluded: readonly string[]): boolean {
  return sameSpiffeId(a.spiffeId, b.spiffeId) && isDeepStrictEqual(signedAttributes(a.attributes, excluded), signedAttributes(b.attributes, excluded))
}
