/**
 * An HTTP server that answers GET and HEAD, for few at a time and not for long. It changes nothing and asks for no
 * authentication. Requests whose Host is a name other than localhost are refused, so that a web page cannot reach it
 * by DNS rebinding.
 */

import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { socketAddress } from '../model/address.ts'
import { messageOf } from '../lib/error.ts'
import { AdminError } from './error.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
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
  /** Whether another process of ours may listen there, too: the next agent of the node, while this one ends. @default false */
  readonly isShared?: boolean
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

/** Binds and serves. Throws AdminError when the address cannot be had. */
export async function startHttp (options: HttpOptions, answer: AnswerPath, log: Log): Promise<RunningHttp> {
  const { listen } = options
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: 1000 })
  server.maxConnections = mostConnections
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { void serve(request, response, answer, log) })
  await bind(server, options)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : listen.port
  return { address: socketAddress(listen.ip, port), stop: () => stop(server) }
}

export function json (status: number, value: unknown): Answer {
  const body = JSON.stringify(value, (_, inner: unknown) => typeof inner === 'bigint' ? inner.toString() : inner, 2)
  return { status, type: 'application/json; charset=utf-8', body: `${body}\n` }
}

async function bind (server: Server, { setting, listen: { ip, port }, isShared = false }: HttpOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, host: ip.text, reusePort: isShared }, resolve)
  try {
    await promise
  } catch (error) {
    throw new AdminError(`${setting}: cannot listen on ${ip.text} port ${port}: ${messageOf(error)}`, { cause: error })
  }
  server.off('error', reject)
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
