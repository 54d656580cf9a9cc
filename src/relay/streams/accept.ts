/** Accepting by Node's own server. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { StreamConnection } from './connection.ts'
import type { Fd } from '../../sys/index.ts'
import type { ListenHooks, Listening } from '../transport.ts'

/** What one chunk from a socket may hold, and how much is queued towards one before its writer must wait, bytes. */
const bufferBytes = 128 * 1024
/** Connections that wait to be accepted; the kernel bounds it by net.core.somaxconn. */
const backlog = 4096

/** Accepts on a listening descriptor, which the server takes over. Rejects when it cannot. */
export async function acceptOn (listener: Fd, { serve, onError }: ListenHooks): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, highWaterMark: bufferBytes }, socket => {
    // Whoever holds the socket listens for errors; one that comes in between must not end the process.
    socket.on('error', () => {})
    // The client may be gone before we look; then there are no addresses, and nothing to record.
    if (socket.remoteAddress === undefined) socket.destroy()
    else serve(new StreamConnection(socket))
  })
  const listening = once(server, 'listening')
  server.listen({ fd: listener.release(), backlog })
  await listening
  server.on('error', onError)
  // The descriptor is closed at once; `close` of the server would wait for its connections.
  return { close: () => { server.close(); return Promise.resolve() } }
}
