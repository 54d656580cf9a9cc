/** What Node's sockets do not offer. */

import { resetOnClose } from './sockopt.ts'
import type { Socket } from 'node:net'

/** The socket's descriptor, for questions to the kernel; `undefined` when it is gone. Node documents no way to it; the handle of every TCP socket has it. */
export function descriptorOf (socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null }
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}

/**
 * Ends it with a TCP reset; does nothing when it is gone. Node's own `resetAndDestroy` fails with EINVAL while a FIN of ours is on its way
 * to the kernel (uv_tcp_close_reset), and then leaves the descriptor open for ever.
 */
export function resetSocket (socket: Socket): void {
  if (socket.destroyed) return
  const fd = descriptorOf(socket)
  if (fd !== undefined) resetOnClose(fd)
  socket.destroy()
}
