/**
 * The local HTTP server.
 *
 * It has no authentication, tells names and addresses of what runs here, and changes nothing: GET and HEAD only.
 * It listens on loopback unless told otherwise; whoever makes it listen elsewhere opens it to that network. Requests
 * whose Host is a name other than localhost are refused, so that a web page cannot reach it by DNS rebinding.
 */

import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { socketAddress } from '../model/address.ts'
import { messageOf } from '../lib/error.ts'
import { AdminError } from './error.ts'
import { answer, json } from './pages.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { SocketAddress } from '../model/address.ts'
import type { Log } from '../observe/index.ts'
import type { AdminView, Answer } from './pages.ts'

export interface Admin {
  /** Where it listens; the real port when 0 was asked for. */
  readonly address: SocketAddress
  /** Ends every connection. */
  stop (): Promise<void>
}

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
export async function startAdmin (listen: SocketAddress, view: AdminView, log: Log): Promise<Admin> {
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: 1000 })
  server.maxConnections = mostConnections
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { void serve(request, response, view, log) })
  await bind(server, listen)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : listen.port
  return { address: socketAddress(listen.ip, port), stop: () => stop(server) }
}

async function bind (server: Server, { ip, port }: SocketAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, host: ip.text }, resolve)
  try {
    await promise
  } catch (error) {
    throw new AdminError(`admin.listen: cannot listen on ${ip.text} port ${port}: ${messageOf(error)}`, { cause: error })
  }
  server.off('error', reject)
}

async function stop (server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => { resolve() })
  server.closeAllConnections()
  await promise
}

async function serve (request: IncomingMessage, response: ServerResponse, view: AdminView, log: Log): Promise<void> {
  try {
    const { status, type, body } = await answerTo(request, view)
    response.writeHead(status, { ...headers, 'content-type': type, ...(status === 405 ? { allow: 'GET, HEAD' } : {}) })
    response.end(request.method === 'HEAD' ? undefined : body)
  } catch (error) {
    log.error('the admin server could not answer', { path: pathOf(request), error })
    response.writeHead(500, headers).end()
  }
}

async function answerTo (request: IncomingMessage, view: AdminView): Promise<Answer> {
  if (!isLocalName(request.headers.host ?? '')) return json(421, { error: 'ask by address or as localhost' })
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'GET and HEAD only' })
  return await answer(pathOf(request), view) ?? json(404, { error: 'not found' })
}

function pathOf (request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0] ?? '/'
}

/** An address or localhost, with or without a port. */
function isLocalName (host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0
}
