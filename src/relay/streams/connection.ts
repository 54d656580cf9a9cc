/** A connected socket of Node that nobody has read from. */

import { socketAddress } from '../../model/address.ts'
import type { Socket } from 'node:net'
import type { SocketAddress } from '../../model/address.ts'
import type { Connection } from '../transport.ts'

export class StreamConnection implements Connection {
  readonly #socket: Socket
  #isTaken = false
  readonly local: SocketAddress
  readonly remote: SocketAddress

  /** `socket` is connected and paused, and has a listener for errors. */
  constructor (socket: Socket) {
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket
    this.#socket = socket
    this.local = socketAddress(localAddress, localPort)
    this.remote = socketAddress(remoteAddress, remotePort)
  }

  get descriptor (): number | undefined {
    if (this.#isTaken) return undefined
    // Node documents no way to the descriptor; the handle of every TCP socket has it.
    const { _handle: handle } = this.#socket as unknown as { _handle?: { fd?: number } | null }
    return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
  }

  reset (): void {
    if (!this.#isTaken && !this.#socket.destroyed) this.#socket.resetAndDestroy()
  }

  [Symbol.dispose] (): void { this.reset() }

  /** Takes the socket away; it is the caller's to end. */
  take (): Socket {
    this.#isTaken = true
    return this.#socket
  }
}
