/** Plain HTTP for the kubelet and Prometheus: `/healthz`, `/readyz`, `/metrics`. Tells no names of pods, changes nothing. */

import { createServer } from 'node:http'
import { IssuerError } from './error.ts'
import { messageOf } from '../lib/error.ts'
import { socketAddress } from '../model/address.ts'
import type { ServerResponse } from 'node:http'
import type { SocketAddress } from '../model/address.ts'
import type { MetricsText, ReadinessStatus } from '../observe/index.ts'
import type { RunningServer } from './server.ts'

export interface HealthView {
  readonly readiness: () => ReadinessStatus
  readonly metrics: () => Promise<MetricsText>
}

/** Binds and serves. Rejects with `cannot-listen`. */
export async function startHealth (listen: SocketAddress, view: HealthView): Promise<RunningServer> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => { void serve(request.url, response, view) })
  server.maxConnections = 64
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port: listen.port, host: listen.ip.text }, resolve)
  try {
    await promise
  } catch (cause) {
    throw new IssuerError('cannot-listen', `health.listen: ${messageOf(cause)}`, { cause })
  }
  const address = server.address()
  return {
    address: socketAddress(listen.ip, typeof address === 'object' && address !== null ? address.port : listen.port),
    async stop () {
      const closed = new Promise(done => { server.close(done) })
      server.closeAllConnections()
      await closed
    },
  }
}

async function serve (path: string | undefined, response: ServerResponse, { readiness, metrics }: HealthView): Promise<void> {
  try {
    if (path === '/healthz') send(response, 200, 'text/plain', 'ok\n')
    else if (path === '/readyz') send(response, readiness().ready ? 200 : 503, 'application/json', `${JSON.stringify(readiness())}\n`)
    else if (path === '/metrics') { const { contentType, text } = await metrics(); send(response, 200, contentType, text) }
    else send(response, 404, 'text/plain', 'not found\n')
  } catch {
    send(response, 500, 'text/plain', 'failed\n')
  }
}

function send (response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
}
