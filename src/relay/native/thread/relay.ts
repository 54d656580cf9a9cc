/** A relay thread's work: obeys orders, keeps its connections, reports. It knows no policy. */

import { HandshakeError, alpnName } from '../../../frames/index.ts'
import { SysError, TlsContext, WriteBuffers, census } from '../../../sys/index.ts'
import { bytesOf, octetsOf } from '../octets.ts'
import { Chunks } from './chunk.ts'
import { HandoverLeg } from './handover-leg.ts'
import { Listener } from './listener.ts'
import { PlainLeg } from './plain-leg.ts'
import { Pipes } from './pipes.ts'
import { Pump } from './pump.ts'
import { Secured } from './secured.ts'
import { Securing } from './securing.ts'
import { Dial, resetSocket } from './socket.ts'
import type { SecureMode } from '../../../model/mode.ts'
import type { ConnectionId, Order, Report } from '../protocol.ts'
import type { Leg } from './leg.ts'
import type { Loop } from './loop.ts'
import type { SecureLeg } from './secure-leg.ts'
import type { RawSocket } from './socket.ts'

/** What is behind a number. */
type Entry =
  | { readonly is: 'dialling', readonly dial: Dial }
  | { readonly is: 'raw', readonly socket: RawSocket }
  | { readonly is: 'securing', readonly securing: Securing }
  | { readonly is: 'secured', readonly secured: Secured }
  | { readonly is: 'forwarding', readonly forward: Forward, readonly end: ForwardEnd }

interface Forward {
  readonly client: ConnectionId
  readonly server: ConnectionId
  readonly pump: Pump
}

/** One end of what is forwarded; a session is there afterwards, too. */
interface ForwardEnd {
  readonly leg: Leg
  readonly secured: Secured | undefined
}

export interface RelayHooks {
  report (report: Report): void
  onFault (error: unknown): void
  /** How many of the accepted connections the main thread has heard of, modulo 2^32. */
  heard (): number
}

/** So many connections may wait for the main thread to hear of them: beyond it, those who come wait in the kernel. */
const mostUnheard = 512
/** How often bytes in motion are reported, ms. */
const reportMs = 500

export class Relay {
  readonly #loop: Loop
  readonly #report: (report: Report) => void
  readonly #onFault: (error: unknown) => void
  readonly #heard: () => number
  readonly #chunks = new Chunks()
  readonly #pipes = new Pipes()
  readonly #buffers = new WriteBuffers()
  readonly #contexts = new Map<number, TlsContext>()
  readonly #listeners = new Map<number, Listener>()
  readonly #entries = new Map<ConnectionId, Entry>()
  /** All that live, also those that are on their way out, each with whom to tell when it is gone. */
  readonly #legs = new Map<SecureLeg, ConnectionId | undefined>()
  readonly #moved = new Set<Forward>()
  #lastAccepted = 0

  constructor (loop: Loop, { report, onFault, heard }: RelayHooks) {
    this.#loop = loop
    this.#report = report
    this.#onFault = onFault
    this.#heard = heard
  }

  /** Never throws: what goes wrong with an order is told of its connection. */
  obey (order: Order): void {
    try {
      this.#obey(order)
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      if ('id' in order) this.#report({ is: 'broken', id: order.id, code: 'handshake-failed', detail })
      else if ('client' in order) this.#failForward(order, detail)
      else if ('listener' in order) this.#report({ is: 'refused', listener: order.listener, errno: error instanceof SysError ? error.errno : 0 })
      else this.#onFault(error) // a context that cannot be made is missed by those who ask for it
    }
  }

  #obey (order: Order): void {
    switch (order.op) {
      case 'listen': this.#listen(order.listener, order.fd); return
      case 'unlisten': this.#unlisten(order.listener); return
      case 'dial': this.#dial(order.id, order.fd, bytesOf(order.to)); return
      case 'drop': this.#drop(order.id, order.how); return
      case 'context': this.#context(order); return
      case 'forget': this.#contexts.get(order.context)?.close(); this.#contexts.delete(order.context); return
      case 'secure': this.#secure(order); return
      case 'send': this.#send(order.id, bytesOf(order.frame)); return
      case 'forward': this.#forward(order); return
      case 'abort': this.#abort(order.client, order.frame); return
      case 'census': this.#census(); return
      case 'stop': this.#stop()
    }
  }

  /** The main thread takes it for over: none of the two may stay. */
  #failForward (order: Order & { readonly op: 'forward' | 'abort' }, detail: string): void {
    for (const id of order.op === 'forward' ? [order.client, order.server] : []) this.#drop(id, 'reset')
    this.#report({ is: 'ended', client: order.client, fromClient: 0, fromServer: 0, ending: { kind: 'reset', by: 'client', detail } })
  }

  #context (order: Order & { readonly op: 'context' }): void {
    try {
      this.#contexts.set(order.context, new TlsContext({ ...order, protocols: [alpnName] }))
    } finally {
      order.privateKey.fill(0) // our copy of it: a key must not lie around
    }
  }

  /** What only waits for the collector is not held: where a test lets us call that, it is called first. */
  #census (): void {
    globalThis.gc?.()
    this.#report({ is: 'census', ...census() })
  }

  #listen (listener: number, fd: number): void {
    this.#listeners.set(listener, new Listener(fd, this.#loop, {
      isFull: () => ((-this.#lastAccepted - this.#heard()) | 0) >= mostUnheard,
      accepted: (socket, local, remote) => {
        const id = --this.#lastAccepted
        this.#entries.set(id, { is: 'raw', socket })
        this.#report({ is: 'accepted', id, listener, fd: socket.fd.number, local: octetsOf(local), remote: octetsOf(remote) })
      },
      failed: errno => { this.#report({ is: 'refused', listener, errno }) },
    }))
  }

  #unlisten (listener: number): void {
    this.#listeners.get(listener)?.close()
    this.#listeners.delete(listener)
    this.#report({ is: 'unlistened', listener })
  }

  #dial (id: ConnectionId, fd: number, to: Uint8Array): void {
    const dial = Dial.start(fd, to, this.#loop, result => {
      if (typeof result === 'number') {
        this.#entries.delete(id)
        this.#report({ is: 'failed', id, errno: result })
      } else {
        this.#entries.set(id, { is: 'raw', socket: result })
        this.#report({ is: 'connected', id })
      }
    })
    if (dial !== undefined) this.#entries.set(id, { is: 'dialling', dial })
  }

  /** What is gone already may be dropped once more: order and report have met on the way. */
  #drop (id: ConnectionId, how: 'reset' | 'politely'): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.is === 'forwarding') return
    this.#entries.delete(id)
    switch (entry.is) {
      case 'dialling': entry.dial.cancel(); break
      case 'raw': resetSocket(entry.socket, this.#loop); break
      case 'securing': entry.securing.drop(); break
      case 'secured': this.#dropSecured(id, entry.secured.leg, how); return
    }
    if (how === 'politely') this.#report({ is: 'gone', id })
  }

  #dropSecured (id: ConnectionId, leg: SecureLeg, how: 'reset' | 'politely'): void {
    if (how === 'politely') {
      this.#legs.set(leg, id)
      leg.close()
    } else {
      leg.settle()
      leg.release()
    }
  }

  #secure ({ id, role, context, mayLeave }: Order & { op: 'secure' }): void {
    const entry = this.#entries.get(id)
    const tlsContext = this.#contexts.get(context)
    if (entry?.is !== 'raw' || tlsContext === undefined) throw new Error('nothing to secure')
    const { socket } = entry
    const securing = new Securing(socket, tlsContext, role, this.#buffers, this.#loop, {
      done: (tls, shown) => {
        const secured = new Secured({
          ...socket, tls, mayLeave, loop: this.#loop,
          onControl: (type, payload) => { this.#report({ is: 'frame', id, type, payload: octetsOf(payload) }) },
          onBroken: error => { this.#tellBroken(id, error) },
          onGone: leg => { this.#gone(leg) },
        })
        this.#legs.set(secured.leg, undefined)
        this.#entries.set(id, { is: 'secured', secured })
        this.#report({ is: 'secured', id, ...shown })
      },
      failed: error => { this.#tellBroken(id, error) },
    })
    this.#entries.set(id, { is: 'securing', securing })
  }

  #gone (leg: SecureLeg): void {
    const id = this.#legs.get(leg)
    this.#legs.delete(leg)
    if (id !== undefined) this.#report({ is: 'gone', id })
  }

  /** A frame for a connection that is gone is lost with it. */
  #send (id: ConnectionId, frame: Uint8Array): void {
    const entry = this.#entries.get(id)
    if (entry?.is === 'forwarding') entry.end.leg.control(frame)
    if (entry?.is !== 'secured') return
    // What is said in one go leaves in one segment, together with what the application has sent already.
    entry.secured.leg.gather(frame)
    this.#loop.schedule(entry.secured)
  }

  #forward ({ client, server, mode }: Order & { op: 'forward' }): void {
    const [clientEnd, serverEnd] = [this.#toEnd(client, mode), this.#toEnd(server, mode)]
    const pump = new Pump({
      client: clientEnd.leg, server: serverEnd.leg, loop: this.#loop, chunks: this.#chunks, pipes: this.#pipes,
      onMoved: () => { this.#note(forward) },
      onEnd: ending => { this.#ended(forward, ending) },
    })
    const forward = { client, server, pump }
    this.#entries.set(client, { is: 'forwarding', forward, end: clientEnd })
    this.#entries.set(server, { is: 'forwarding', forward, end: serverEnd })
  }

  #toEnd (id: ConnectionId, mode: SecureMode): ForwardEnd {
    const entry = this.#entries.get(id)
    if (entry?.is === 'raw') return { leg: new PlainLeg(entry.socket.fd, entry.socket.wire, this.#loop, this.#chunks), secured: undefined }
    if (entry?.is !== 'secured') throw new Error('nothing to forward')
    const { secured } = entry
    secured.leg.open(mode)
    if (mode === 'encrypt') return { leg: secured.leg, secured }
    return { leg: new HandoverLeg(secured.leg, secured.fd, this.#loop, this.#chunks), secured: undefined }
  }

  #abort (client: ConnectionId, frame: Uint8Array | undefined): void {
    const entry = this.#entries.get(client)
    if (entry?.is !== 'forwarding') return // it has just ended by itself
    try {
      entry.forward.pump.abort(frame)
    } finally {
      this.#ended(entry.forward, { kind: 'aborted' })
    }
  }

  #ended (forward: Forward, ending: (Report & { is: 'ended' })['ending']): void {
    for (const id of [forward.client, forward.server]) this.#leave(id, ending.kind === 'completed')
    this.#moved.delete(forward)
    this.#report({ is: 'ended', client: forward.client, ...forward.pump.takeMoved(), ending })
  }

  /** What was forwarded is gone, unless it is a session and may be used again. */
  #leave (id: ConnectionId, isReusable: boolean): void {
    const entry = this.#entries.get(id)
    this.#entries.delete(id)
    if (!isReusable || entry?.is !== 'forwarding' || entry.end.secured === undefined) return
    const { secured } = entry.end
    this.#entries.set(id, { is: 'secured', secured })
    secured.resume()
  }

  #note (forward: Forward): void {
    if (this.#moved.size === 0) this.#loop.after(reportMs, () => { this.#tellMoved() })
    this.#moved.add(forward)
  }

  #tellMoved (): void {
    const counts = [...this.#moved].flatMap(({ client, pump }) => {
      const { fromClient, fromServer } = pump.takeMoved()
      return [client, fromClient, fromServer]
    })
    this.#moved.clear()
    if (counts.length > 0) this.#report({ is: 'moved', counts })
  }

  #tellBroken (id: ConnectionId, { code, detail }: HandshakeError): void {
    this.#report({ is: 'broken', id, code: code === 'protocol-error' ? code : 'handshake-failed', detail })
  }

  #stop (): void {
    for (const listener of this.#listeners.values()) listener.close()
    for (const [id, entry] of [...this.#entries]) {
      if (entry.is === 'forwarding') entry.forward.pump.abort(undefined)
      else this.#drop(id, 'reset')
    }
    for (const leg of [...this.#legs.keys()]) leg.release()
    for (const context of this.#contexts.values()) context.close()
    this.#pipes[Symbol.dispose]()
    this.#buffers[Symbol.dispose]()
    this.#loop.stop()
  }
}
