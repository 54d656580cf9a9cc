/**
 * A program: hands TCP connections on, between network namespaces by way of a Unix socket.
 *
 * usage: forward.ts LISTEN TARGET, each either `address:port` or the path of a socket
 */

import { createServer, connect } from 'node:net'
import { rmSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'

const [listen = '', target = ''] = process.argv.slice(2)

function placeOf (text: string): { path: string } | { host: string, port: number } {
  const [, host = '', port = ''] = /^([^/]+):(\d+)$/.exec(text) ?? []
  return port === '' ? { path: text } : { host, port: Number(port) }
}

const server = createServer({ allowHalfOpen: true }, client => {
  const upstream = connect({ ...placeOf(target), allowHalfOpen: true } satisfies NetConnectOpts)
  client.pipe(upstream).pipe(client)
  client.on('error', () => { upstream.destroy() })
  upstream.on('error', () => { client.destroy() })
  client.on('close', () => { upstream.destroy() })
  upstream.on('close', () => { client.destroy() })
})
if (listen.startsWith('/')) rmSync(listen, { force: true })
server.listen(placeOf(listen))
