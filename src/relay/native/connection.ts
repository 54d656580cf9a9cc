/** A connected socket that a relay thread holds, and nobody has read from. */

import { localAddressOf } from '../../sys/index.ts'
import type { SocketAddress } from '../../model/address.ts'
import type { Connection } from '../transport.ts'
import type { Octets } from './octets.ts'
import type { ConnectionId } from './protocol.ts'
import type { RelayThread } from './thread.ts'

export class NativeConnection implements Connection {
  readonly id: ConnectionId
  readonly thread: RelayThread
  readonly remote: SocketAddress
  /** Which listener has accepted it, and its local address as a sockaddr; `undefined` of one that was dialled. */
  readonly accepted: { readonly listener: number, readonly local: Octets } | undefined
  #descriptor: number | undefined
  #local: SocketAddress | undefined

  /** `descriptor` is the thread's, which keeps it open until we say what becomes of it. */
  constructor (id: ConnectionId, thread: RelayThread, descriptor: number, remote: SocketAddress, accepted?: { readonly listener: number, readonly local: Octets, readonly address: SocketAddress }) {
    this.id = id
    this.thread = thread
    this.#descriptor = descriptor
    this.remote = remote
    this.accepted = accepted
    this.#local = accepted?.address
  }

  /** Of one that was dialled the kernel has to be asked, and hardly anybody wants to know. Throws once that one was let go of. */
  get local (): SocketAddress {
    if (this.#local !== undefined) return this.#local
    if (this.#descriptor === undefined) throw new Error('the connection is gone')
    return this.#local = localAddressOf(this.#descriptor)
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
