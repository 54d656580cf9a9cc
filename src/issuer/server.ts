/**
 * The two HTTPS servers of the issuer: the agents' one, which signs, and the bundle endpoint, which anybody may ask.
 *
 * They are apart so that the bundle can be shown to other clusters without showing them what signs. Both prove
 * the issuer's SPIFFE ID; neither asks for a client certificate: agents prove themselves by token.
 */

import { createServer } from 'node:https'
import { IssuerError } from './error.ts'
import { readBounded } from './http.ts'
import { isRefusal, refusals } from './refusal.ts'
import { Deadline } from '../lib/deadline.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import { socketAddress } from '../model/address.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import type { SecureVersion } from 'node:tls'
import type { Svid, SvidSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Log } from '../observe/index.ts'
import type { IncomingRequest } from './certificates.ts'
import type { RefusalCode } from './refusal.ts'

/** One path. `respond` gives the body, or rejects with the code of a refusal. */
export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly respond: (request: IncomingRequest, signal: AbortSignal) => Promise<string>
}

export interface ServerOptions {
  readonly listen: SocketAddress
  readonly minVersion: SecureVersion
  readonly routes: readonly Route[]
  /** Requests that are worked on at once; more are refused. */
  readonly mostRequests: number
  readonly mostBodyBytes: number
}

export interface ServerParts {
  readonly svids: SvidSource
  readonly clock: Clock
  readonly log: Log
  /** Told after each request; `ok` or the code of the refusal. */
  readonly answered: (path: string, result: 'ok' | RefusalCode, seconds: number) => void
}

export interface RunningServer {
  readonly address: SocketAddress
  stop (): Promise<void>
}

/** A request has this long from its first byte to its answer. */
const requestMs = 10_000
const mostConnections = 4096

/** Binds and serves; the certificate follows `svids`. Rejects with `cannot-listen`. */
export async function startServer (options: ServerOptions, parts: ServerParts): Promise<RunningServer> {
  const first = await parts.svids.ready(AbortSignal.timeout(requestMs))
  const server = createServer({ ...credentials(first, options), requestTimeout: requestMs, headersTimeout: requestMs, handshakeTimeout: requestMs, connectionsCheckingInterval: 1000, keepAliveTimeout: 60_000 })
  server.maxConnections = mostConnections
  let running = 0
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    running++
    void serve(request, response, running > options.mostRequests, options, parts).finally(() => { running-- })
  })
  const unsubscribe = parts.svids.onChange(svid => { if (svid !== undefined) server.setSecureContext(credentials(svid, options)) })
  const address = await bind(server, options.listen)
  return { address, stop: async () => { unsubscribe(); await stop(server) } }
}

function credentials (svid: Svid, { minVersion }: ServerOptions): { cert: string, key: string, minVersion: SecureVersion } {
  return { cert: svid.certificatesPem, key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), minVersion }
}

async function bind (server: Server, { ip, port }: SocketAddress): Promise<SocketAddress> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, host: ip.text }, resolve)
  try {
    await promise
  } catch (cause) {
    throw new IssuerError('cannot-listen', `cannot listen on ${ip.text} port ${port}: ${messageOf(cause)}`, { cause })
  }
  server.off('error', reject)
  const address = server.address()
  return socketAddress(ip, typeof address === 'object' && address !== null ? address.port : port)
}

async function stop (server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => { resolve() })
  server.closeAllConnections()
  await promise
}

async function serve (request: IncomingMessage, response: ServerResponse, isBusy: boolean, options: ServerOptions, parts: ServerParts): Promise<void> {
  const { clock, log, answered } = parts
  const startMs = clock.monotonic()
  const path = (request.url ?? '/').split('?')[0] ?? '/'
  const route = options.routes.find(route => route.path === path)
  const address = request.socket.remoteAddress ?? 'unknown'
  let result: 'ok' | RefusalCode = 'ok'
  try {
    if (isBusy) throw new IssuerError('busy', 'too many requests at once')
    send(response, 200, await respond(request, route, address, options, clock))
  } catch (error) {
    const code = refusalOf(error)
    const { status, level, text } = refusals[code]
    log[level]('request refused', { path: route?.path ?? 'unknown', address, refusal: code, error })
    result = code
    send(response, status, JSON.stringify({ error: code, message: text }), status === 429 || status === 503)
  }
  answered(route?.path ?? 'unknown', result, (clock.monotonic() - startMs) / 1000)
}

async function respond (request: IncomingMessage, route: Route | undefined, address: string, { mostBodyBytes }: ServerOptions, clock: Clock): Promise<string> {
  if (route === undefined) throw new IssuerError('no-such-path', 'no such path')
  if (request.method !== route.method) throw new IssuerError('wrong-method', `${route.method} expected`)
  using deadline = new Deadline({ clock, ms: requestMs, reason: () => new IssuerError('unavailable', `no answer within ${requestMs} ms`) })
  const body = async (): Promise<Uint8Array> => readBounded(request, mostBodyBytes)
  return await route.respond({ authorization: request.headers.authorization, address, body }, deadline.signal)
}

/** What went wrong is told to the log; the asker gets one of the known words. */
function refusalOf (error: unknown): RefusalCode {
  const code = codeOf(error) ?? ''
  return isRefusal(code) ? code : 'internal'
}

function send (response: ServerResponse, status: number, body: string, isForLater = false): void {
  const unread = !response.req.complete
  response.writeHead(status, {
    'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body),
    ...isForLater ? { 'retry-after': '2' } : {},
    // What is left of a body that nobody read would be taken for the next request.
    ...unread ? { connection: 'close' } : {},
  })
  response.end(body)
}
