/** A TLS handshake under way. */

import { HandshakeError, alpnName, flowExporterLabel, flowIdBytes } from '../../../frames/index.ts'
import { TlsConnection, resetOnClose, tlsResult } from '../../../sys/index.ts'
import type { TlsContext, WriteBuffers } from '../../../sys/index.ts'
import type { Role } from '../../../frames/index.ts'
import type { Loop, Task } from './loop.ts'
import type { RawSocket } from './socket.ts'

/** What the handshake has shown; who may believe it is decided elsewhere. */
export interface Shown {
  readonly chain: readonly Uint8Array[]
  readonly flowId: Uint8Array
}

export interface SecuringHooks {
  done (tls: TlsConnection, shown: Shown): void
  failed (error: HandshakeError): void
}

export class Securing implements Task {
  readonly socket: RawSocket
  readonly #tls: TlsConnection
  readonly #loop: Loop
  readonly #hooks: SecuringHooks
  #over = false

  /** Takes over `socket`. Throws OpenSslError. */
  constructor (socket: RawSocket, context: TlsContext, role: Role, buffers: WriteBuffers, loop: Loop, hooks: SecuringHooks) {
    this.socket = socket
    this.#loop = loop
    this.#hooks = hooks
    this.#tls = new TlsConnection(context, socket.fd.number, role, buffers)
    loop.assign(socket.wire, this)
  }

  run (): boolean {
    if (this.#over) return false
    const { wire } = this.socket
    const result = this.#tls.handshake()
    if (result === tlsResult.wantsRead) wire.readable = false
    else if (result === tlsResult.wantsWrite) wire.writable = false
    else this.#conclude(result)
    return false
  }

  crash (): void {
    this.#over = true
    this.#hooks.failed(new HandshakeError('handshake-failed', 'internal-error'))
  }

  /** Closes everything, with a reset; the hooks hear nothing. */
  drop (): void {
    this.#over = true
    this.#loop.remove(this.socket.wire)
    this.#tls.close()
    resetOnClose(this.socket.fd.number)
    this.socket.fd.close()
  }

  #conclude (result: number): void {
    this.#over = true
    this.socket.wire.task = undefined
    if (result !== tlsResult.done) {
      this.#hooks.failed(new HandshakeError('handshake-failed', this.#tls.error?.code ?? 'peer-closed'))
    } else if (this.#tls.protocol !== alpnName) {
      this.#hooks.failed(new HandshakeError('protocol-error', `no common protocol (ALPN ${this.#tls.protocol || 'absent'})`))
    } else {
      this.#hooks.done(this.#tls, { chain: this.#tls.peerChain(), flowId: this.#tls.export(flowExporterLabel, flowIdBytes) })
    }
  }
}
