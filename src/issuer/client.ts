/**
 * The agent's side: an `Issuer` whose key is somewhere else.
 *
 * While the issuer is away `issue` rejects and nothing else happens: `SvidRotation` keeps the certificate that it has and asks again.
 * The token is read anew for each request, since the kubelet replaces it; it is sent to nobody who has not proven
 * to be the issuer, and is in no message and no log.
 */

import { readFile } from 'node:fs/promises'
import { Agent } from 'undici'
import { IssuerError } from './error.ts'
import { hedged } from './hedged-connector.ts'
import { readBounded } from './http.ts'
import { certificatesPath, encodeRequest, maxAnswerBytes, parseAnswer } from './messages.ts'
import { spiffeConnector } from './spiffe-tls.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import { formatSpiffeId } from '../model/spiffe-id.ts'
import type { KeyObject } from 'node:crypto'
import type { Issuer, Prove, TrustSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { SpiffeId } from '../model/spiffe-id.ts'
import type { Identity } from '../model/workload.ts'

export interface RemoteIssuerOptions {
  /** `https://host:port`. */
  readonly url: string
  /** Who the issuer is. */
  readonly spiffeId: SpiffeId
  /** File with the projected service account token. */
  readonly tokenFile: string
  /** @default 5000 */
  readonly timeoutMs?: number
  /** Connections to the issuer; requests beyond wait. @default 4 */
  readonly connections?: number
}

const maxTokenBytes = 8192

export class RemoteIssuer implements Issuer, AsyncDisposable {
  readonly #options: Required<RemoteIssuerOptions>
  readonly #trust: TrustSource
  readonly #clock: Clock
  readonly #unsubscribe: Unsubscribe
  #agent: Agent

  /** `trust` are the roots by which the issuer is believed to be the issuer. */
  constructor (options: RemoteIssuerOptions, trust: TrustSource, clock: Clock) {
    this.#clock = clock
    this.#options = { timeoutMs: 5000, connections: 4, ...options }
    this.#trust = trust
    this.#agent = this.#open()
    // Connections that older trust let through are not used any more.
    this.#unsubscribe = trust.onChange(() => {
      const former = this.#agent
      this.#agent = this.#open()
      former.close().catch(() => {})
    })
  }

  /** Rejects with an IssuerError: `issuer-unreachable`, `-untrusted`, `-busy`, `-refused`, `bad-answer` or `token-unreadable`; or with the signal's reason. */
  async issue ({ attributes }: Identity, publicKey: KeyObject, ttlMs: number, signal: AbortSignal, prove: Prove): Promise<readonly Uint8Array[]> {
    const body = encodeRequest(attributes, publicKey, ttlMs, prove)
    const token = await readToken(this.#options.tokenFile)
    const { status, text } = await this.#post(body, token, signal)
    if (status === 200) return parseAnswer(text)
    const reason = reasonIn(text)
    if (status === 429 || status === 503) throw new IssuerError('issuer-busy', `the issuer asks to come back later: ${reason}`)
    throw new IssuerError('issuer-refused', `the issuer refuses: ${reason} (status ${status})`)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.#unsubscribe()
    await this.#agent.destroy()
  }

  async #post (body: string, token: string, signal: AbortSignal): Promise<{ readonly status: number, readonly text: string }> {
    const { url, timeoutMs } = this.#options
    const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    try {
      const answer = await this.#agent.request({ origin: url, path: certificatesPath, method: 'POST', body, headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' }, signal: until })
      return { status: answer.statusCode, text: (await readBounded(answer.body, maxAnswerBytes)).toString() }
    } catch (cause) {
      signal.throwIfAborted()
      throw clientError(cause, url)
    }
  }

  #open (): Agent {
    const { spiffeId, timeoutMs, connections } = this.#options
    const roots = this.#trust.bundles().rootsOf(spiffeId.trustDomain).map(({ pem }) => pem)
    return new Agent({
      connect: hedged(spiffeConnector({ spiffeId: formatSpiffeId(spiffeId), roots, connectTimeoutMs: timeoutMs }), this.#clock),
      connections, pipelining: 1, keepAliveTimeout: 10_000, keepAliveMaxTimeout: 30_000, maxResponseSize: maxAnswerBytes,
    })
  }
}

async function readToken (file: string): Promise<string> {
  let token: string
  try {
    token = (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new IssuerError('token-unreadable', `the token file ${file} cannot be read`, { cause })
  }
  // Anything else could end the header and begin another; the text itself is not told.
  if (!/^[\x21-\x7e]+$/.test(token) || token.length > maxTokenBytes) throw new IssuerError('token-unreadable', `the file ${file} holds no token`)
  return token
}

/** Codes of TLS by which a certificate is not believed (OpenSSL's X509_V_ERR_*, as Node calls them). */
const untrusted = /^(?:issuer-untrusted|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERR_TLS_CERT)/

function clientError (cause: unknown, url: string): IssuerError {
  if (untrusted.test(codeOf(cause) ?? '')) return new IssuerError('issuer-untrusted', `${url} does not prove to be the issuer: ${messageOf(cause)}`, { cause })
  if (codeOf(cause) === 'too-large' || codeOf(cause) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return new IssuerError('bad-answer', 'the issuer\'s answer is too large', { cause })
  return new IssuerError('issuer-unreachable', `the issuer does not answer: ${messageOf(cause)}`, { cause })
}

/** The issuer's word for it, when it is one: letters and hyphens. */
function reasonIn (text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown } // looked at below
    if (typeof error === 'string' && /^[a-z-]{1,40}$/.test(error)) return error
  } catch { /* told below */ }
  return 'without a reason'
}
