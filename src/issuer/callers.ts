/**
 * Who asks: an agent, and of which node.
 *
 * The API server says whether the token is good, for our audience, and to which pod it is bound; the same API
 * server says on which node that pod is. A token that was taken to another node is still only worth the pods of the
 * node that it came from. What the agent says of itself is not asked.
 *
 * A good token is remembered for ten seconds: an agent that starts with a hundred pods costs one review, and one whose
 * pod is deleted may ask that much longer. Refusals are not remembered, but each one costs the asking address
 * one of its few failures, and without any left its unknown tokens are not taken to the API server at all.
 */

import { createHash } from 'node:crypto'
import { IssuerError } from './error.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { reasonOf } from './token.ts'
import type { Clock } from '../lib/clock.ts'
import type { PodFacts } from '../cluster/index.ts'
import type { PodReader, ReviewedToken, TokenReviewer } from './sources.ts'

/** An agent that has proven itself. */
export interface Caller {
  readonly node: string
  /** `namespace/name` of the agent's pod. */
  readonly pod: string
}

export interface CallersOptions {
  readonly audience: string
  /** Service accounts of agents, `namespace/name`. */
  readonly agents: readonly string[]
}

export interface CallersParts {
  readonly reviewer: TokenReviewer
  readonly pods: PodReader
  readonly clock: Clock
}

interface Remembered { readonly caller: Caller, readonly untilMs: number }

const rememberMs = 10_000
/** Agents of a large cluster, each with two tokens while one replaces the other. */
const mostRemembered = 16_384
const failures = { perSecond: 1, burst: 30 }
const extraKeys = { pod: 'authentication.kubernetes.io/pod-name', podUid: 'authentication.kubernetes.io/pod-uid', node: 'authentication.kubernetes.io/node-name' } as const

export class Callers {
  readonly #options: CallersOptions
  readonly #parts: CallersParts
  readonly #remembered = new Map<string, Remembered>()
  readonly #failures: RateLimit

  constructor (options: CallersOptions, parts: CallersParts) {
    this.#options = options
    this.#parts = parts
    this.#failures = new RateLimit(failures, parts.clock)
  }

  /** Rejects with the reason why the token makes nobody an agent, or with `unavailable` when that cannot be found out. */
  async authenticate (token: string, address: string, signal: AbortSignal): Promise<Caller> {
    const key = createHash('sha256').update(token).digest('base64')
    const known = this.#remembered.get(key)
    if (known !== undefined && this.#parts.clock.monotonic() < known.untilMs) return known.caller
    if (!this.#failures.has(address)) throw new IssuerError('rate-limited', `too many refused tokens from ${address}`)
    try {
      const caller = await this.#ask(token, signal)
      this.#remember(key, caller)
      return caller
    } catch (error) {
      if (error instanceof IssuerError && error.code !== 'unavailable') this.#failures.take(address)
      throw error
    }
  }

  async #ask (token: string, signal: AbortSignal): Promise<Caller> {
    const { audience } = this.#options
    const review = await available(this.#parts.reviewer.review(token, audience, signal))
    if (!review.authenticated) throw new IssuerError(reasonOf(token, audience, this.#parts.clock.now()), review.error.slice(0, 300) || 'the API server refused the token')
    // An API server that knows nothing of audiences would leave them out and accept any token.
    if (!review.audiences.includes(audience)) throw new IssuerError('wrong-audience', 'the API server does not confirm the audience')
    const bound = this.#boundPod(review)
    const pod = await available(this.#parts.pods.pod(bound.namespace, bound.name, signal))
    return { node: nodeOf(bound, pod), pod: `${bound.namespace}/${bound.name}` }
  }

  #boundPod ({ username, extra }: ReviewedToken): BoundPod {
    const [system, kind, namespace = '', account = '', ...rest] = username.split(':')
    const isAgent = system === 'system' && kind === 'serviceaccount' && rest.length === 0 && this.#options.agents.includes(`${namespace}/${account}`)
    if (!isAgent) throw new IssuerError('not-an-agent', `the token is of ${username.slice(0, 300)}`)
    const name = onlyOne(extra[extraKeys.pod])
    const uid = onlyOne(extra[extraKeys.podUid])
    if (name === undefined || uid === undefined) throw new IssuerError('not-bound', 'the token is not of a projected volume of a pod')
    return { namespace, account, name, uid, claimedNodes: extra[extraKeys.node] ?? [] }
  }

  #remember (key: string, caller: Caller): void {
    this.#remembered.delete(key)
    this.#remembered.set(key, { caller, untilMs: this.#parts.clock.monotonic() + rememberMs })
    if (this.#remembered.size > mostRemembered) this.#remembered.delete(this.#remembered.keys().next().value ?? key)
  }
}

interface BoundPod {
  readonly namespace: string
  readonly account: string
  readonly name: string
  readonly uid: string
  /** The token's own claim of its node; there since Kubernetes 1.29. */
  readonly claimedNodes: readonly string[]
}

/** The pod's node; the claim in the token, where there is one, has to be the same. */
function nodeOf (bound: BoundPod, pod: PodFacts | undefined): string {
  if (pod === undefined || pod.uid !== bound.uid || pod.isFinished) throw new IssuerError('agent-gone', `${bound.namespace}/${bound.name} is not the pod of the token`)
  if (pod.serviceAccount !== bound.account) throw new IssuerError('not-an-agent', `${bound.namespace}/${bound.name} runs as ${pod.serviceAccount}`)
  if (pod.node === '' || bound.claimedNodes.some(node => node !== pod.node)) throw new IssuerError('node-unclear', `the pod is on ${pod.node || 'no node'}, the token says ${bound.claimedNodes.join() || 'nothing'}`)
  return pod.node
}

function onlyOne (values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 && values[0] !== '' ? values[0] : undefined
}

/** What Kubernetes could not tell is no refusal: the agent may come back. */
export async function available<T> (answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new IssuerError('unavailable', 'the API server does not answer', { cause })
  }
}
