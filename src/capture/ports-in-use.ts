/** The ports of clients that are served now, so that a dial in a client's name takes none of them. */

import { innerPorts } from './port-choice.ts'
import type { IpAddress, SocketAddress } from '../model/address.ts'

/**
 * For whoever chooses inner ports in another thread: `inUse` counts the clients of this process that use the port
 * `low + i`, of whatever address. A port with none is free for any of them.
 */
export interface InnerPorts {
  readonly low: number
  readonly inUse: Uint16Array<SharedArrayBuffer>
}

const inUse = new Uint16Array(new SharedArrayBuffer(2 * (innerPorts.high - innerPorts.low + 1)))

export const sharedInnerPorts: InnerPorts = { low: innerPorts.low, inUse }

/**
 * A set of connections on the wire. It holds only those whose client port a dial could take at all: few, as most
 * clients use ports above that range.
 */
export class PortsInUse {
  readonly #counts = new Map<string, number>()

  /** How many are held. */
  get size (): number { return this.#counts.size }

  /** Holds the client's port until the returned function is called, once. */
  enter (client: SocketAddress, to: SocketAddress): () => void {
    if (client.port < innerPorts.low || client.port > innerPorts.high) return () => undefined
    const key = keyOf(client.ip, client.port, to)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    Atomics.add(inUse, client.port - innerPorts.low, 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      Atomics.sub(inUse, client.port - innerPorts.low, 1)
      this.#leave(key)
    }
  }

  /** Whether a client of this address uses the port towards `to`. */
  has (client: IpAddress, port: number, to: SocketAddress): boolean {
    return this.#counts.size > 0 && this.#counts.has(keyOf(client, port, to))
  }

  #leave (key: string): void {
    const count = this.#counts.get(key) ?? 0
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }
}

function keyOf (client: IpAddress, port: number, to: SocketAddress): string {
  return `${client.text} ${port} ${to.ip.text} ${to.port}`
}
