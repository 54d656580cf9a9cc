/** One accept loop for both directions. */

import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

/** What one chunk from a socket may hold, and how much is queued towards one before its writer must wait, bytes. */
const bufferBytes = 128 * 1024

/** Accepts on a listening descriptor, which the server takes over; each socket is handed to `serve` unread. */
export function acceptOn (fd: number, serve: (socket: Socket) => void): Server {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, highWaterMark: bufferBytes }, socket => {
    // Whoever holds the socket listens for errors; one that comes in between must not end the process.
    socket.on('error', () => {})
    // The client may be gone before we look; then there are no addresses, and nothing to record.
    if (socket.remoteAddress === undefined) socket.destroy()
    else serve(socket)
  })
  server.listen({ fd })
  return server
}
