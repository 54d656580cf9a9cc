/** The reference: Node's own sockets, TLS and streams. */

import { FrameChannel, secureInbound, secureOutbound } from '../../handshake/index.ts'
import { acceptOn } from './accept.ts'
import { StreamConnection } from './connection.ts'
import { dial } from './dial.ts'
import { join } from './join.ts'
import { SessionLeg } from './session-leg.ts'
import { SocketLeg } from './socket-leg.ts'
import type { HandshakeParts, Session } from '../../handshake/index.ts'
import type { SocketAddress } from '../../model/address.ts'
import type { Fd } from '../../sys/index.ts'
import type { Ending, Meter, Revocable } from '../ending.ts'
import type { Connection, DialOptions, End, ListenHooks, Listening, Transport } from '../transport.ts'
import type { Leg } from './leg.ts'

export class StreamTransport implements Transport {
  readonly kind = 'streams'
  /**
   * Node's TLS reads ahead of the record that it decrypts, and has no place to give back what lies behind a close_notify.
   * A stream in front of it that hands over record by record would cost those who ask for speed a third of it.
   */
  readonly leavesTls = false
  readonly lender = undefined
  /** There are no threads that could die. */
  readonly failed = new Promise<never>(() => {})
  readonly #listening = new Set<Listening>()

  async listen (listener: Fd, hooks: ListenHooks): Promise<Listening> {
    const listening = await acceptOn(listener, hooks)
    this.#listening.add(listening)
    return { close: async () => { this.#listening.delete(listening); await listening.close() } }
  }

  async dial (dialer: Fd, to: SocketAddress, { signal }: DialOptions): Promise<Connection> {
    return new StreamConnection(await dial(dialer, to, signal))
  }

  async secureOutbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
    return await secureOutbound(ours(connection).take(), parts, signal)
  }

  async secureInbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
    return await secureInbound(ours(connection).take(), connection.local, parts, signal)
  }

  canForward (): boolean { return true }

  async forward (client: End, server: End, meter: Meter, revocable: Revocable): Promise<Ending> {
    return await join(legOf(client), legOf(server), meter, revocable)
  }

  async close (): Promise<void> {
    for (const listening of this.#listening) await listening.close()
    this.#listening.clear()
  }
}

function legOf (end: End): Leg {
  if (!('channel' in end)) return new SocketLeg(ours(end).take())
  const { channel } = end
  if (!(channel instanceof FrameChannel)) throw new TypeError('a session of another transport')
  return new SessionLeg(end, channel)
}

function ours (connection: Connection): StreamConnection {
  if (!(connection instanceof StreamConnection)) throw new TypeError('a connection of another transport')
  return connection
}
