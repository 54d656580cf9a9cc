/**
 * An HTTP server that answers GET and HEAD, for few at a time and not for long. It changes nothing and asks for no
 * authentication. Requests whose Host is a name other than localhost are refused, so that a web page cannot reach it
 * by DNS rebinding.
 */

import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { socketAddress } from '../model/address.ts'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import { AdminError } from './error.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Log } from '../observe/index.ts'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface RunningHttp {
  /** Where it listens; the real port when 0 was asked for. */
  readonly address: SocketAddress
  /** Ends every connection. */
  stop (): Promise<void>
}

export interface HttpOptions {
  /** The setting that says where, for messages. */
  readonly setting: string
  readonly listen: SocketAddress
  /** @default the system's */
  readonly clock?: Clock
}

/** The answer for a path without its query; `undefined` where there is nothing. */
export type AnswerPath = (path: string) => Promise<Answer | undefined>

/** A scraper and a few people; more wait or are refused. */
const mostConnections = 64
/** A client has this long for its request. */
const requestMs = 5000

const headers = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/** How often it is tried again to listen where the port was another's, ms. */
const tryAgainMs = 100

/**
 * Binds and serves; where the port is another's, as soon as it is free: an agent that takes over from another one of the
 * same machine finds its ports taken until that one ends. Two at once would answer for each other. Throws AdminError when
 * the address cannot be had at all.
 */
export async function startHttp (options: HttpOptions, answer: AnswerPath, log: Log): Promise<RunningHttp> {
  const { setting, listen, clock = systemClock } = options
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: 1000 })
  server.maxConnections = mostConnections
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { void serve(request, response, answer, log) })
  const stopped = new AbortController()
  if (!await bind(server, options)) {
    log.warn('a port is taken, by the agent before this one perhaps; it is tried again', { setting, port: listen.port })
    void bindLater(server, options, clock, stopped.signal, log)
  }
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : listen.port
  return { address: socketAddress(listen.ip, port), stop: () => { stopped.abort(); return stop(server) } }
}

/** Never rejects: what could be wrong with the address was found at the first try. */
async function bindLater (server: Server, options: HttpOptions, clock: Clock, stopped: AbortSignal, log: Log): Promise<void> {
  const { setting, listen: { port } } = options
  try {
    do await new Promise<void>(resolve => { clock.after(tryAgainMs, resolve) })
    while (!stopped.aborted && !await bind(server, options))
    if (stopped.aborted) server.close()
    else log.info('a port that was taken is ours now', { setting, port })
  } catch (error) {
    log.error('a port that was taken cannot be had', { setting, port, error })
  }
}

export function json (status: number, value: unknown): Answer {
  const body = JSON.stringify(value, (_, inner: unknown) => typeof inner === 'bigint' ? inner.toString() : inner, 2)
  return { status, type: 'application/json; charset=utf-8', body: `${body}\n` }
}

/** Whether it listens now; not when the port is another's. */
async function bind (server: Server, { setting, listen: { ip, port } }: HttpOptions): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  try {
    server.listen({ port, host: ip.text }, resolve)
    await promise
    return true
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false
    throw new AdminError(`${setting}: cannot listen on ${ip.text} port ${port}: ${messageOf(error)}`, { cause: error })
  } finally {
    server.off('error', reject)
    server.off('listening', resolve)
  }
}

async function stop (server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => { resolve() })
  server.closeAllConnections()
  await promise
}

async function serve (request: IncomingMessage, response: ServerResponse, answer: AnswerPath, log: Log): Promise<void> {
  try {
    const { status, type, body } = await answerTo(request, answer)
    response.writeHead(status, { ...headers, 'content-type': type, ...(status === 405 ? { allow: 'GET, HEAD' } : {}) })
    response.end(request.method === 'HEAD' ? undefined : body)
  } catch (error) {
    log.error('the admin server could not answer', { path: pathOf(request), error })
    response.writeHead(500, headers).end()
  }
}

async function answerTo (request: IncomingMessage, answer: AnswerPath): Promise<Answer> {
  if (!isLocalName(request.headers.host ?? '')) return json(421, { error: 'ask by address or as localhost' })
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'GET and HEAD only' })
  return await answer(pathOf(request)) ?? json(404, { error: 'not found' })
}

function pathOf (request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0] ?? '/'
}

/** An address or localhost, with or without a port. */
function isLocalName (host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0
}
