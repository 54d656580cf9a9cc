/** A connected socket of Node that nobody has read from. */

import { socketAddress } from '../../model/address.ts'
import { descriptorOf, resetSocket } from '../../sys/index.ts'
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
    return this.#isTaken ? undefined : descriptorOf(this.#socket)
  }

  reset (): void {
    if (!this.#isTaken) resetSocket(this.#socket)
  }

  [Symbol.dispose] (): void { this.reset() }

  /** Takes the socket away; it is the caller's to end. */
  take (): Socket {
    this.#isTaken = true
    return this.#socket
  }
}
