/**
 * Dialling from a descriptor that we made: Node connects it and takes it over.
 *
 * Node does not document it, but a `net.Socket` made from an unconnected descriptor keeps it through `connect`
 * (libuv's uv_tcp_connect makes a socket only where there is none). `manualStart` keeps it from reading before that.
 */

import { Socket } from 'node:net'
import type { SocketConstructorOpts } from 'node:net'
import type { SocketAddress } from '../../model/address.ts'
import type { Fd } from '../../sys/index.ts'

/**
 * Connects, and resolves with a paused socket that keeps its half open when the other ends. Takes over `fd` in any
 * case. Rejects with Node's error (`ECONNREFUSED`, `EHOSTUNREACH`, `ENETUNREACH`, `ETIMEDOUT`, `EADDRNOTAVAIL`), or
 * with the reason of `signal`.
 */
export function dial (fd: Fd, to: SocketAddress, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // manualStart is missing in Node's types.
    const socket = new Socket({ fd: fd.release(), manualStart: true, allowHalfOpen: true } as SocketConstructorOpts)
    const abort = (): void => { socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted')) }
    const settle = (): void => {
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
      // Whoever holds the socket listens for errors; one that comes in between must not end the process.
      socket.on('error', () => {})
    }
    const fail = (error: Error): void => { settle(); reject(error) }
    socket.once('error', fail)
    socket.once('connect', () => { settle(); resolve(socket) })
    socket.pause() // nothing is read until somebody wants it
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) { abort(); return }
    socket.connect({ host: to.ip.text, port: to.port })
  })
}
