/** Requests to the API server: JSON in one piece, or line by line for as long as it lasts. */

import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { codeOf, messageOf } from '../../lib/error.ts'
import { ClusterError } from '../error.ts'
import { textAt } from './json.ts'
import { linesOf } from './lines.ts'
import type { IncomingMessage } from 'node:http'
import type { Credentials } from './credentials.ts'

export interface ApiRequest {
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST' | 'PATCH'
  readonly query?: Readonly<Record<string, string>>
  /** @default 'application/json' */
  readonly accept?: string
  readonly body?: unknown
  /** @default 'application/json' */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/** A dead peer is noticed after about 25 s: this, and ten probes of a second each (libuv). */
const keepAliveMs = 15_000
/** A page of a list, or one object. */
const mostBytes = 64 * 1024 * 1024
/** Of an error's text. */
const mostErrorBytes = 64 * 1024

/** What comes: all at once, or for as long as it lasts. */
type Kind = 'answer' | 'watch'

export interface ApiOptions {
  /** From the request to the last byte of the answer the server may be silent this long, except in a watch. @default 30000 */
  readonly silenceMs?: number
}

export class Api implements Disposable {
  readonly #credentials: Credentials
  readonly #agent: HttpAgent
  readonly #silenceMs: number

  constructor (credentials: Credentials, { silenceMs = 30_000 }: ApiOptions = {}) {
    this.#credentials = credentials
    this.#silenceMs = silenceMs
    const options = { keepAlive: true, keepAliveMsecs: keepAliveMs }
    this.#agent = this.#isTls ? new HttpsAgent(options) : new HttpAgent(options)
  }

  get server (): string { return this.#credentials.server.host }

  /** The answer as JSON. Rejects with ClusterError, or with the reason of the signal. */
  async request (path: string, request: ApiRequest = {}): Promise<unknown> {
    const response = await this.#send(path, request, 'answer')
    const text = await textOf(path, response, mostBytes, request.signal)
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new ClusterError(`${path}: the answer is no JSON`, { code: 'api-garbled', cause: error })
    }
  }

  /** Each line of the answer as JSON until the server ends it; rejects as `request` does. `heard` is told of every sign of life. */
  async * stream (path: string, request: ApiRequest, heard: () => void): AsyncGenerator<unknown, void> {
    const response = await this.#send(path, request, 'watch')
    heard()
    try {
      for await (const line of linesOf(hearing(response, heard))) yield JSON.parse(line)
    } catch (error) {
      throw brokenOff(path, error, request.signal)
    } finally {
      response.destroy()
    }
  }

  [Symbol.dispose] (): void { this.#agent.destroy() }

  get #isTls (): boolean { return this.#credentials.server.protocol === 'https:' }

  async #send (path: string, request: ApiRequest, kind: Kind): Promise<IncomingMessage> {
    const credentials = await this.#credentials.options()
    request.signal?.throwIfAborted()
    const response = await this.#roundTrip(path, request, credentials, kind)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    throw refusal(path, status, response.headers['retry-after'], await textOf(path, response, mostErrorBytes, request.signal).catch(() => ''))
  }

  #roundTrip (path: string, request: ApiRequest, credentials: object, kind: Kind, isRetry = false): Promise<IncomingMessage> {
    const { method = 'GET', query = {}, accept = 'application/json', body, contentType = 'application/json', signal } = request
    const url = new URL(path, this.#credentials.server)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const headers = { ...'headers' in credentials && typeof credentials.headers === 'object' ? credentials.headers : {}, 'Accept': accept, 'User-Agent': 'liburna', ...body !== undefined && { 'Content-Type': contentType } }
    return new Promise((resolve, reject) => {
      const sent = (this.#isTls ? httpsRequest : httpRequest)(url, { agent: this.#agent, ...credentials, method, headers, ...signal !== undefined && { signal } })
      sent.setTimeout(this.#silenceMs, () => { sent.destroy(new Error(`no answer for ${this.#silenceMs} ms`)) })
      sent.on('socket', socket => { socket.setKeepAlive(true, keepAliveMs) })
      sent.on('error', error => {
        // A connection that was kept, and that the server let go at this very moment, says nothing of the server.
        const isStale = !isRetry && method === 'GET' && sent.reusedSocket && codeOf(error) === 'ECONNRESET' && signal?.aborted !== true
        if (isStale) resolve(this.#roundTrip(path, request, credentials, kind, true))
        else reject(brokenOff(path, error, signal))
      })
      sent.on('response', response => {
        if (kind === 'watch') sent.setTimeout(0)
        resolve(response)
      })
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

async function * hearing (response: IncomingMessage, heard: () => void): AsyncGenerator<unknown, void> {
  for await (const chunk of response) {
    heard()
    yield chunk
  }
}

async function textOf (path: string, response: IncomingMessage, most: number, signal: AbortSignal | undefined): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response) {
      // A response without an encoding gives buffers.
      const bytes = chunk as Buffer
      length += bytes.length
      if (length > most) throw new RangeError(`longer than ${most} bytes`)
      chunks.push(bytes)
    }
  } catch (error) {
    throw brokenOff(path, error, signal)
  } finally {
    if (!response.complete) response.destroy()
  }
  return Buffer.concat(chunks).toString()
}

function brokenOff (path: string, error: unknown, signal: AbortSignal | undefined): Error {
  if (signal?.aborted === true && signal.reason instanceof Error) return signal.reason
  if (error instanceof SyntaxError || error instanceof RangeError) return new ClusterError(`${path}: ${error.message}`, { code: 'api-garbled', cause: error })
  return new ClusterError(`no answer of the API server: ${messageOf(error)}`, { code: 'api-unreachable', cause: error })
}

function refusal (path: string, status: number, retryAfter: string | undefined, text: string): ClusterError {
  const code = status === 410 ? 'api-expired' : 'api-refused'
  const seconds = Number(retryAfter)
  const retryAfterMs = retryAfter !== undefined && seconds >= 0 && seconds <= 300 ? seconds * 1000 : undefined
  return new ClusterError(`${path}: ${status} ${reasonIn(text)}`.trim(), { code, status, ...retryAfterMs !== undefined && { retryAfterMs } })
}

/** `message` of the Status object that the API server answers with. */
function reasonIn (text: string): string {
  try {
    return textAt(JSON.parse(text), 'message').slice(0, 300)
  } catch {
    return ''
  }
}
