/**
 * Applications that need a thread of their own, so that it is the relay that has too much to do and not they.
 *
 * `application` listens and posts its port: who says `b` first is read as fast as it sends, who says `e` hears the echo. `bulk` sends as
 * fast as it may to `port`, for as long as it lives.
 */

import { connect, createServer } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import type { AddressInfo, Socket } from 'node:net'

const { role, port } = workerData as BusyParty // as `new Worker` was given it

export type BusyParty = { readonly role: 'application', readonly port?: undefined } | { readonly role: 'bulk', readonly port: number }

function serve (socket: Socket): void {
  socket.on('error', () => {})
  socket.once('data', first => {
    if (first[0] !== 'e'.charCodeAt(0)) return
    socket.write(first)
    socket.pipe(socket)
  })
}

function pour (socket: Socket): void {
  const piece = Buffer.alloc(512 * 1024, 'b')
  const more = (): void => { while (socket.write(piece)); }
  socket.on('error', () => {}).on('drain', more)
  more()
}

if (role === 'bulk') pour(connect(port, '127.0.0.1'))
else {
  const server = createServer(serve).listen(0, '127.0.0.1', () => { parentPort?.postMessage((server.address() as AddressInfo).port) }) // it listens on TCP
}
