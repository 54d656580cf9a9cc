/** A leg that is a bare TCP socket: an application, or a peer without an agent. */

import { codeOf } from '../../lib/error.ts'
import { Outbox } from '../../lib/outbox.ts'
import { readShared } from '../../lib/shared-reads.ts'
import { resetSocket } from '../../sys/index.ts'
import type { Socket } from 'node:net'
import type { Leg, LegSink } from './leg.ts'
import type { ResetReason } from '../../handshake/index.ts'

const noHead = new Uint8Array(0)

export class SocketLeg implements Leg {
  readonly #socket: Socket
  readonly #outbox: Outbox
  #sink: LegSink | undefined
  #over = false

  /** `socket` is connected, allows half-open, and nobody has read from it. */
  constructor (socket: Socket) {
    this.#socket = socket
    this.#outbox = new Outbox(socket, () => { this.#sink?.onDrain() })
  }

  start (sink: LegSink): void {
    const socket = this.#socket
    this.#sink = sink
    const abort = (detail: string): void => {
      if (this.#over) return
      this.#over = true
      sink.onAbort({ kind: 'reset', detail })
    }
    socket.setNoDelay(true)
    readShared(socket, bytes => { sink.onData(bytes) })
    socket.on('data', bytes => { sink.onData(bytes) })
    socket.on('end', () => { sink.onEnd() })
    socket.on('finish', () => { sink.onFinish() })
    socket.on('error', error => { abort(codeOf(error) ?? 'error') })
    socket.on('close', () => { if (!socket.readableEnded || !socket.writableFinished) abort('closed') })
    if (socket.destroyed) abort('closed')
    else socket.resume()
  }

  write (bytes: Uint8Array): boolean { return !this.#socket.writable || this.#outbox.put(noHead, bytes) }

  end (): void {
    this.#outbox.flush()
    this.#socket.end()
  }

  pause (): void { this.#socket.pause() }
  resume (): void { this.#socket.resume() }

  abort (_reason: ResetReason, _detail: string): void {
    this.#over = true
    resetSocket(this.#socket)
  }

  conclude (): void { this.#over = true }
}
