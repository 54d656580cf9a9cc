/** A relay thread's work: obeys orders, keeps its connections, reports. It knows no policy. */

import { HandshakeError } from '../../../frames/index.ts'
import { Fd, SysError, WriteBuffers, census } from '../../../sys/index.ts'
import { bytesOf, octetsOf } from '../octets.ts'
import { Chunks } from './chunk.ts'
import { Contexts } from './contexts.ts'
import { Doors } from './doors.ts'
import { HandoverLeg } from './handover-leg.ts'
import { Lending } from './lending.ts'
import { Moved } from './moved.ts'
import { PlainLeg } from './plain-leg.ts'
import { Pipes } from './pipes.ts'
import { Pump } from './pump.ts'
import { Secured } from './secured.ts'
import { Securing } from './securing.ts'
import { Dial, resetSocket } from './socket.ts'
import type { SecureMode } from '../../../model/mode.ts'
import type { ConnectionId, LendOrder, Order, Report } from '../protocol.ts'
import type { Entry, Forward, ForwardEnd } from './entry.ts'
import type { Visitor } from './loan.ts'
import type { Loop } from './loop.ts'
import type { SecureLeg } from './secure-leg.ts'
import type { RawSocket } from './socket.ts'

export interface RelayHooks {
  report (report: Report): void
  /** Reports what nobody waits for. */
  note (report: Report): void
  onFault (error: unknown): void
  /** How many of the connections that have come the main thread has heard of, modulo 2^32. */
  heard (): number
  /** Of affairs, which loans rest on. */
  state (): number
}

export class Relay {
  readonly #loop: Loop
  readonly #report: (report: Report) => void
  readonly #note: (report: Report) => void
  readonly #onFault: (error: unknown) => void
  readonly #chunks = new Chunks()
  readonly #pipes = new Pipes()
  readonly #buffers = new WriteBuffers()
  readonly #contexts = new Contexts()
  readonly #doors: Doors
  readonly #entries = new Map<ConnectionId, Entry>()
  /** All that live, also those that are on their way out, each with whom to tell when it is gone. */
  readonly #legs = new Map<SecureLeg, ConnectionId | undefined>()
  readonly #moved: Moved
  readonly #lending: Lending

  constructor (loop: Loop, { report, note, onFault, heard, state }: RelayHooks) {
    this.#loop = loop
    this.#report = report
    this.#note = note
    this.#onFault = onFault
    this.#moved = new Moved(loop, note)
    this.#doors = new Doors(loop, { report, heard, accepted: visitor => { if (!this.#lending.serve(visitor)) this.#accepted(visitor) } })
    this.#lending = new Lending(loop, {
      report, note, state,
      name: () => this.#doors.name(),
      leave: visitor => { this.#accepted(visitor) },
      forward: (name, session, socket) => { this.#repeat(name, session, socket) },
      drop: (session, how) => { this.#drop(session, how) },
    })
  }

  /** Never throws: what goes wrong with an order is told of its connection. */
  obey (order: Order): void {
    try {
      this.#obey(order)
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      if (order.op !== 'lend' && 'id' in order) this.#report({ is: 'broken', id: order.id, code: 'handshake-failed', detail })
      else if (order.op === 'lend') { this.#onFault(error); this.#report({ is: 'returned', session: order.id }) }
      else if ('client' in order) this.#failForward(order, detail)
      else if ('listener' in order) this.#report({ is: 'refused', listener: order.listener, errno: error instanceof SysError ? error.errno : 0 })
      else this.#onFault(error) // a context that cannot be made is missed by those who ask for it
    }
  }

  #obey (order: Order): void {
    switch (order.op) {
      case 'listen': this.#doors.open(order.listener, order.fd); return
      case 'unlisten': this.#doors.shut(order.listener); return
      case 'dial': this.#dial(order.id, order.fd, bytesOf(order.to)); return
      case 'drop': this.#drop(order.id, order.how); return
      case 'context': this.#contexts.add(order); return
      case 'keep': this.#contexts.keep(order); return
      case 'forget': this.#contexts.forget(order.context); return
      case 'secure': this.#secure(order); return
      case 'send': this.#send(order.id, bytesOf(order.frame)); return
      case 'forward': this.#forward(order); return
      case 'lend': this.#lend(order); return
      case 'recall': this.#lending.recall(order.id); return
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

  /** What only waits for the collector is not held: where a test lets us call that, it is called first. */
  #census (): void {
    globalThis.gc?.()
    this.#report({ is: 'census', ...census() })
  }

  #accepted ({ id, listener, socket, local, remote }: Visitor): void {
    this.#entries.set(id, { is: 'raw', socket })
    this.#report({ is: 'accepted', id, listener, fd: socket.fd.number, local: octetsOf(local), remote: octetsOf(remote) })
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

  #secure ({ id, context: number, mayLeave, ...terms }: Order & { op: 'secure' }): void {
    const entry = this.#entries.get(id)
    const context = this.#contexts.get(number)
    if (entry?.is !== 'raw' || context === undefined) throw new Error('nothing to secure')
    const { socket } = entry
    const securing = new Securing({ socket, context, ...terms }, this.#buffers, this.#loop, {
      done: (tls, shown) => {
        const secured = new Secured({
          ...socket, tls, mayLeave, loop: this.#loop,
          onControl: (type, payload) => {
            if (this.#lending.hears(id, type, payload)) return
            secured.tells()
            this.#report({ is: 'frame', id, type, payload: octetsOf(payload) })
          },
          onTurn: () => { this.#lending.turn(id) },
          onBroken: error => { if (!this.#lending.breaks(id)) this.#tellBroken(id, error) },
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
    this.#pump(client, [client, this.#toEnd(client, mode)], [server, this.#toEnd(server, mode)])
  }

  /** `name` is that of the socket, too: it has no other. */
  #repeat (name: ConnectionId, session: ConnectionId, socket: RawSocket): void {
    this.#entries.set(name, { is: 'raw', socket })
    const [bare, secured] = [[name, this.#toEnd(name, 'encrypt')], [session, this.#toEnd(session, 'encrypt')]] as const
    const isClients = this.#lending.isClients(session)
    this.#pump(name, isClients ? bare : secured, isClients ? secured : bare)
  }

  #pump (name: ConnectionId, [client, clientEnd]: readonly [ConnectionId, ForwardEnd], [server, serverEnd]: readonly [ConnectionId, ForwardEnd]): void {
    const pump = new Pump({
      client: clientEnd.leg, server: serverEnd.leg, loop: this.#loop, chunks: this.#chunks, pipes: this.#pipes,
      onMoved: () => { this.#moved.note(name, pump) },
      onEnd: ending => { this.#ended(forward, ending) },
    })
    const forward = { name, ends: [client, server], pump }
    this.#entries.set(client, { is: 'forwarding', forward, end: clientEnd })
    this.#entries.set(server, { is: 'forwarding', forward, end: serverEnd })
  }

  #lend (order: LendOrder): void {
    const entry = this.#entries.get(order.id)
    if (entry?.is === 'secured' && entry.secured.isQuiet) { this.#lending.lend(order, entry.secured); return }
    // What has come meanwhile, or that it has broken, is on its way to the main thread, and for that to answer.
    if (order.serves.is === 'arriving') new Fd(order.serves.netns).close()
    this.#report({ is: 'returned', session: order.id })
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
    if (entry === undefined) { this.#lending.abort(client, frame); return } // or it has just ended by itself
    if (entry.is !== 'forwarding') return
    try {
      entry.forward.pump.abort(frame)
    } finally {
      this.#ended(entry.forward, { kind: 'aborted' })
    }
  }

  #ended (forward: Forward, ending: (Report & { is: 'ended' })['ending']): void {
    const isThere = ending.kind === 'completed'
    for (const id of forward.ends) this.#leave(id, isThere)
    this.#moved.forget(forward.name)
    const report = { is: 'ended', client: forward.name, ...forward.pump.takeMoved(), ending } as const
    if (forward.ends.some(id => this.#lending.has(id))) this.#note(report)
    else this.#report(report)
    for (const id of forward.ends) this.#lending.ended(id, isThere)
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

  #tellBroken (id: ConnectionId, { code, detail }: HandshakeError): void {
    this.#report({ is: 'broken', id, code: code === 'protocol-error' ? code : 'handshake-failed', detail })
  }

  #stop (): void {
    this.#doors.close()
    this.#lending.close()
    for (const [id, entry] of [...this.#entries]) {
      if (entry.is === 'forwarding') entry.forward.pump.abort(undefined)
      else this.#drop(id, 'reset')
    }
    for (const leg of [...this.#legs.keys()]) leg.release()
    this.#contexts.close()
    this.#pipes[Symbol.dispose]()
    this.#buffers[Symbol.dispose]()
    this.#loop.stop()
  }
}
