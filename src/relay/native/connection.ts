/** A connected socket that a relay thread holds, and nobody has read from. */

import type { SocketAddress } from '../../model/address.ts'
import type { Connection } from '../transport.ts'
import type { ConnectionId } from './protocol.ts'
import type { RelayThread } from './thread.ts'

export class NativeConnection implements Connection {
  readonly id: ConnectionId
  readonly thread: RelayThread
  readonly local: SocketAddress
  readonly remote: SocketAddress
  #descriptor: number | undefined

  /** `descriptor` is the thread's, which keeps it open until we say what becomes of it. */
  constructor (id: ConnectionId, thread: RelayThread, descriptor: number, local: SocketAddress, remote: SocketAddress) {
    this.id = id
    this.thread = thread
    this.#descriptor = descriptor
    this.local = local
    this.remote = remote
  }

  get descriptor (): number | undefined { return this.#descriptor }

  reset (): void {
    if (this.#descriptor === undefined) return
    this.#descriptor = undefined
    this.thread.post({ op: 'drop', id: this.id, how: 'reset' })
  }

  [Symbol.dispose] (): void { this.reset() }

  /** Takes it away, once: from now on the thread may close the descriptor at any time. False when it is gone already. */
  take (): boolean {
    const isHere = this.#descriptor !== undefined
    this.#descriptor = undefined
    return isHere
  }
}
