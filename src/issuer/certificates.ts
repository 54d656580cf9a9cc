/**
 * The life of a request for a certificate, on one page.
 *
 * Until `caller` nothing of the request is believed or even parsed; after it, only which pod and which key. Who the pod
 * is comes from the API server alone, read now.
 */

import { available } from './callers.ts'
import { IssuerError } from './error.ts'
import { encodeAnswer, parseRequest } from './messages.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { bearerToken } from './token.ts'
import { IdentityError } from '../identity/index.ts'
import { identityOfPod } from '../cluster/index.ts'
import type { Authority } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { PodFacts, PodPlace } from '../cluster/index.ts'
import type { Identity } from '../model/workload.ts'
import type { Log } from '../observe/index.ts'
import type { Caller, Callers } from './callers.ts'
import type { PodName } from './messages.ts'
import type { PodReader } from './sources.ts'

export interface CertificatesOptions extends PodPlace {
  /** Longest life of a certificate, ms; one that asks for more gets this. */
  readonly mostTtlMs: number
  /** `namespace/name` of the issuer's own service account, for which nobody is given a certificate. */
  readonly ownAccount: string
  /** Requests of one node: each second, and at once. */
  readonly perNode: { readonly perSecond: number, readonly burst: number }
}

export interface CertificatesParts {
  readonly callers: Callers
  readonly pods: PodReader
  /** Throws `unavailable` while there is none. */
  readonly authority: () => Authority
  readonly clock: Clock
  readonly log: Log
}

/** A request as it came in. */
export interface IncomingRequest {
  readonly authorization: string | undefined
  readonly address: string
  /** Rejects with `too-large`. */
  readonly body: () => Promise<Uint8Array>
}

export class Certificates {
  readonly #options: CertificatesOptions
  readonly #parts: CertificatesParts
  readonly #perNode: RateLimit

  constructor (options: CertificatesOptions, parts: CertificatesParts) {
    this.#options = options
    this.#parts = parts
    this.#perNode = new RateLimit(options.perNode, parts.clock)
  }

  /** The answer's body. Rejects with the code of a refusal. */
  async issue (incoming: IncomingRequest, signal: AbortSignal): Promise<string> {
    const { callers, authority, clock, log } = this.#parts
    const caller = await callers.authenticate(tokenOf(incoming), incoming.address, signal)
    if (!this.#perNode.take(caller.node)) throw new IssuerError('rate-limited', `node ${caller.node} asks too often`)
    const { pod, publicKey, ttlMs } = parseRequest(await incoming.body())
    const identity = await this.#identityOf(pod, caller, signal)
    const signs = authority()
    const lifeMs = Math.min(ttlMs, this.#options.mostTtlMs)
    const chain = await signed(signs.issue(identity, publicKey, lifeMs, signal))
    const notAfterMs = Math.min(clock.now() + lifeMs, signs.notAfterMs)
    log.info('certificate issued', { node: caller.node, pod: `${pod.namespace}/${pod.name}`, uid: pod.uid, notAfter: new Date(notAfterMs).toISOString() })
    return encodeAnswer(chain, notAfterMs)
  }

  async #identityOf (wanted: PodName, caller: Caller, signal: AbortSignal): Promise<Identity> {
    const { pods } = this.#parts
    const pod = await available(pods.pod(wanted.namespace, wanted.name, signal))
    mustBeSignable(pod, wanted, caller, this.#options.ownAccount)
    const namespaceLabels = await available(pods.namespaceLabels(pod.namespace, signal))
    if (namespaceLabels === undefined) throw new IssuerError('no-such-pod', `its namespace ${pod.namespace} is gone`)
    return identityOfPod(pod, namespaceLabels, this.#options)
  }
}

function tokenOf ({ authorization }: IncomingRequest): string {
  const token = bearerToken(authorization)
  if (token === undefined) throw new IssuerError(authorization === undefined ? 'no-token' : 'bad-token', 'a bearer token of a service account is expected')
  return token
}

/**
 * The issuer's own identity is not for workloads: an agent of a node where the issuer runs could otherwise pass for
 * the issuer and collect the tokens of all other agents.
 */
function mustBeSignable (pod: PodFacts | undefined, wanted: PodName, caller: Caller, ownAccount: string): asserts pod is PodFacts {
  const name = `${wanted.namespace}/${wanted.name}`
  if (pod === undefined || pod.uid !== wanted.uid) throw new IssuerError('no-such-pod', `${name} with uid ${wanted.uid} is not there`)
  if (pod.node !== caller.node) throw new IssuerError('other-node', `${name} is on ${pod.node || 'no node'}, the agent on ${caller.node}`)
  if (pod.hostNetwork) throw new IssuerError('host-network', name)
  if (pod.isFinished) throw new IssuerError('pod-ended', name)
  if (`${pod.namespace}/${pod.serviceAccount}` === ownAccount) throw new IssuerError('reserved-identity', name)
}

async function signed (chain: Promise<readonly Uint8Array[]>): Promise<readonly Uint8Array[]> {
  try {
    return await chain
  } catch (cause) {
    if (cause instanceof IdentityError) throw new IssuerError('not-signable', cause.message, { cause })
    throw cause
  }
}
