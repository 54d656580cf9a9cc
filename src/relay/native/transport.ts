/** Moves bytes in relay threads: epoll, OpenSSL on raw descriptors, splice. The main thread gives orders and judges. */

import { encodeGreeting, flowIdBytes } from '../../frames/index.ts'
import { HandshakeError, Session, ownSvid } from '../../handshake/index.ts'
import { formatSpiffeId } from '../../model/spiffe-id.ts'
import { Fd, SysError, decodeSockaddr, encodeSockaddr, whyNoOpenssl } from '../../sys/index.ts'
import { NativeChannel } from './channel.ts'
import { NativeConnection } from './connection.ts'
import { Contexts } from './contexts.ts'
import { forward } from './forward.ts'
import { lend } from './loan.ts'
import { bytesOf, octetsOf } from './octets.ts'
import { RelayThread } from './thread.ts'
import type { HandshakeParts } from '../../handshake/index.ts'
import type { Role } from '../../frames/index.ts'
import type { SocketAddress } from '../../model/address.ts'
import type { Census, PresharedKey } from '../../sys/index.ts'
import type { Ending, Meter, Revocable } from '../ending.ts'
import type { Lender } from '../lending.ts'
import type { Connection, DialOptions, End, ListenHooks, Listening, Transport } from '../transport.ts'
import type { Context } from './contexts.ts'
import type { ListenerReport } from './thread.ts'

export interface NativeOptions {
  /** How many relay threads. */
  readonly threads: number
  /** Whether the threads remember who made what they hold; for tests. @default false */
  readonly trace?: boolean
}

/** Why this transport is not to be had here; `undefined` when it is. */
export function whyNotNative (): string | undefined {
  return whyNoOpenssl()
}

export class NativeTransport implements Transport {
  readonly kind = 'native'
  readonly leavesTls = true
  readonly lender: Lender
  readonly failed: Promise<never>
  readonly #threads: readonly RelayThread[]
  readonly #contexts: Contexts
  readonly #listening = new Set<Listening>()
  #lastListener = 0
  #lastDialled = 0

  /** Starts the threads. Throws where `whyNotNative` has a reason. */
  constructor ({ threads, trace = false }: NativeOptions) {
    const why = whyNotNative()
    if (why !== undefined) throw new Error(`no native relay: ${why}`)
    const state = new Int32Array(new SharedArrayBuffer(4))
    this.lender = { get state () { return Atomics.load(state, 0) }, revoke () { Atomics.add(state, 0, 1) }, lend }
    this.#threads = Array.from({ length: threads }, () => new RelayThread(state, trace))
    this.#contexts = new Contexts(this.#threads)
    this.failed = Promise.race(this.#threads.map(({ failed }) => failed))
    this.failed.catch(() => {}) // it may come when nobody listens yet
  }

  /** Every thread waits at the listener; the kernel wakes one, so a busy one gets fewer. */
  async listen (taken: Fd, hooks: ListenHooks): Promise<Listening> {
    const number = ++this.#lastListener
    const listener = new Fd(taken.release())
    const closed = this.#threads.map(thread => new Promise<void>(resolve => {
      thread.listeners.set(number, report => {
        if (report.is !== 'unlistened') { heed(report, thread, hooks); return }
        thread.listeners.delete(number)
        resolve()
      })
      thread.post({ op: 'listen', listener: number, fd: listener.number })
    }))
    const listening: Listening = {
      close: async () => {
        if (!this.#listening.delete(listening)) return
        for (const thread of this.#threads) thread.post({ op: 'unlisten', listener: number })
        await Promise.all(closed)
        listener.close() // only now nobody there uses its number
      },
    }
    this.#listening.add(listening)
    return listening
  }

  dial (dialer: Fd, to: SocketAddress, { signal, beside }: DialOptions): Promise<Connection> {
    const { thread } = ours(beside)
    const id = ++this.#lastDialled
    const fd = dialer.release()
    return new Promise((resolve, reject) => {
      const settle = (): void => { signal.removeEventListener('abort', abort); thread.connections.delete(id) }
      const abort = (): void => {
        settle()
        thread.post({ op: 'drop', id, how: 'reset' })
        reject(signal.reason)
      }
      thread.connections.set(id, report => {
        settle()
        if (report.is === 'connected') resolve(new NativeConnection(id, thread, fd, to))
        else reject(new SysError('connect', report.is === 'failed' ? report.errno : 0))
      })
      signal.addEventListener('abort', abort, { once: true })
      thread.post({ op: 'dial', id, fd, to: octetsOf(encodeSockaddr(to)) })
      if (signal.aborted) abort()
    })
  }

  async secureOutbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
    return await this.#secure('client', ours(connection), parts, signal)
  }

  async secureInbound (connection: Connection, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
    return await this.#secure('server', ours(connection), parts, signal)
  }

  canForward (client: Connection, server: Session): boolean {
    return server.channel instanceof NativeChannel && server.channel.thread === ours(client).thread
  }

  forward (client: End, server: End, meter: Meter, revocable: Revocable): Promise<Ending> {
    return forward(client, server, meter, revocable)
  }

  /** A thread that has died cannot be stopped, and `failed` has said so. */
  async close (): Promise<void> {
    await this.#end()
  }

  /** As `close`; resolves with what each thread could not let go of, which is a fault. */
  async stop (): Promise<readonly Census[]> {
    return (await this.#end()).map(end => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
  }

  async #end (): Promise<Array<PromiseSettledResult<Census>>> {
    await Promise.all([...this.#listening].map(listening => listening.close()))
    this.#contexts.close()
    return await Promise.allSettled(this.#threads.map(thread => thread.stop()))
  }

  /** What each thread holds now. */
  async census (): Promise<readonly Census[]> {
    return await Promise.all(this.#threads.map(thread => thread.census()))
  }

  async #secure (role: Role, connection: NativeConnection, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
    const { id, thread, remote } = connection
    const context = await this.#contextFor(connection, parts, signal)
    if (signal.aborted) { connection.reset(); throw signal.reason }
    if (!connection.take()) throw new HandshakeError('handshake-failed', 'closed')
    const channel = new NativeChannel(id, thread)
    signal.addEventListener('abort', () => { void channel.drop('reset', signal.reason) }, { once: true })
    const [asks, mayResume] = [parts.mode, parts.resumeForMs > 0]
    const offer = role === 'client' && mayResume ? context.offers.find(remote, parts.clock.monotonic()) : undefined
    const greets = role === 'server' ? octetsOf(encodeGreeting({ role, flowId: noFlowId, address: connection.local })) : undefined
    thread.post({ op: 'secure', id, role, context: context.number, mayLeave: asks === 'authenticate', mayResume, offers: offer?.key, greets })
    try {
      const { flowId, resumed, leaves, ...shown } = await channel.secured()
      // A server that has used the key is who has made it with us.
      const chain = role === 'client' && resumed ? offer?.chain ?? [] : shown.chain
      const { svid } = context
      const session = await Session.prove({ role, svid, asks, chain, resumed, flowId, channel, ...endsOf(channel) }, parts)
      if (leaves !== undefined) this.#remember(role, remote, leaves, session, context, parts)
      return session
    } catch (error) {
      if (offer !== undefined) context.offers.drop(remote) // whatever was wrong, it must not be so again
      await channel.drop('reset')
      throw error
    }
  }

  /** What `session` has proven may be proven by `key` alone, as long as both certificates are good, and no longer than the setting says. */
  #remember (role: Role, to: SocketAddress, key: PresharedKey, { peer }: Session, context: Context, { clock, resumeForMs }: HandshakeParts): void {
    const forMs = Math.min(resumeForMs, Math.min(peer.notAfterMs, context.svid.notAfterMs) - clock.now())
    const { chain, identity: { spiffeId, attributes } } = peer
    if (role === 'client') context.offers.put(to, { key, chain, untilMs: clock.monotonic() + forMs })
    else this.#contexts.keep(context, `${formatSpiffeId(spiffeId)} ${attributes.cluster} ${attributes.uid}`, { ...key, chain }, forMs)
  }

  async #contextFor (connection: NativeConnection, parts: HandshakeParts, signal: AbortSignal): Promise<Context> {
    try {
      return this.#contexts.of(await ownSvid(parts, signal), parts, connection.thread)
    } catch (error) {
      connection.reset()
      throw error
    }
  }
}

/** The thread puts in the real one, which only the handshake gives. */
const noFlowId = new Uint8Array(flowIdBytes)

/** Apart, so that they keep the channel only: they live as long as the connection. */
function endsOf (channel: NativeChannel) {
  return {
    hangUp: () => channel.drop('politely'),
    cut: (reason?: Error) => { void channel.drop('reset', reason) },
  }
}

function heed (report: Exclude<ListenerReport, { is: 'unlistened' }>, thread: RelayThread, hooks: ListenHooks): void {
  if (report.is === 'refused') { hooks.onError(new SysError('accept', report.errno)); return }
  const [local, remote] = [decodeSockaddr(bytesOf(report.local)), decodeSockaddr(bytesOf(report.remote))]
  if (local === undefined || remote === undefined) thread.post({ op: 'drop', id: report.id, how: 'reset' })
  else hooks.serve(new NativeConnection(report.id, thread, report.fd, remote, { listener: report.listener, local: report.local, address: local }))
}

function ours (connection: Connection): NativeConnection {
  if (!(connection instanceof NativeConnection)) throw new TypeError('a connection of another transport')
  return connection
}
