/** A TLS handshake under way. */

import { GreetingPattern, HandshakeError, alpnName, flowExporterLabel, flowIdBytes, resumptionExporterLabels } from '../../../frames/index.ts'
import { TlsConnection, identityBytes, inOneGo, resetOnClose, secretBytes, tlsResult } from '../../../sys/index.ts'
import { bytesOf } from '../octets.ts'
import type { PresharedKey, WriteBuffers } from '../../../sys/index.ts'
import type { SecureOrder, Shown } from '../protocol.ts'
import type { Context } from './contexts.ts'
import type { Loop, Task } from './loop.ts'
import type { Resumable } from './resumable.ts'
import type { RawSocket } from './socket.ts'

export interface SecuringTerms extends Pick<SecureOrder, 'role' | 'mayResume' | 'offers' | 'greets'> {
  /** Taken over. */
  readonly socket: RawSocket
  readonly context: Context
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
  readonly #mayResume: boolean
  /** What a server has still to say. */
  #greets: GreetingPattern | undefined
  /** What the client has offered, and is known. */
  #found: Resumable | undefined
  /** The flow id, when somebody has asked. */
  #exported: Uint8Array | undefined
  #over = false

  /** Throws OpenSslError. */
  constructor ({ socket, context, role, mayResume, offers, greets }: SecuringTerms, buffers: WriteBuffers, loop: Loop, hooks: SecuringHooks) {
    this.socket = socket
    this.#loop = loop
    this.#hooks = hooks
    this.#mayResume = mayResume
    this.#greets = greets === undefined ? undefined : new GreetingPattern(bytesOf(greets))
    const find = (identity: Uint8Array): Uint8Array | undefined => (this.#found = context.find(identity))?.secret
    this.#tls = new TlsConnection(context.tls, socket.fd.number, role, buffers, { ...offers !== undefined && { offers }, ...mayResume && { find } })
    loop.assign(socket.wire, this)
  }

  run (): boolean {
    if (this.#over) return false
    const { wire } = this.socket
    const result = this.#greets === undefined ? this.#tls.handshake() : this.#greet(this.#greets)
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

  /** With the first flight, and in one segment: who waits for the one waits for the other. */
  #greet (greets: GreetingPattern): number {
    const tls = this.#tls
    return inOneGo(this.socket.fd.number, () => {
      const result = tls.answer()
      if (result !== tlsResult.done) return result
      this.#greets = undefined
      const isAgent = tls.protocol === alpnName // who is none has nothing to hear
      return !isAgent || tls.sayEarly(greets.with(this.#flowId)) ? tls.handshake() : tlsResult.broken
    })
  }

  #conclude (result: number): void {
    this.#over = true
    this.socket.wire.task = undefined
    if (result !== tlsResult.done) {
      this.#hooks.failed(new HandshakeError('handshake-failed', this.#tls.error?.code ?? 'peer-closed'))
    } else if (this.#tls.protocol !== alpnName) {
      this.#hooks.failed(new HandshakeError('protocol-error', `no common protocol (ALPN ${this.#tls.protocol || 'absent'})`))
    } else {
      this.#hooks.done(this.#tls, this.#shown())
    }
  }

  /** The same at both ends, and known to a server from its first flight on. */
  get #flowId (): Uint8Array { return this.#exported ??= this.#tls.export(flowExporterLabel, flowIdBytes) }

  #shown (): Shown {
    const tls = this.#tls
    const flowId = this.#flowId
    if (tls.hasUsedKey) return { chain: this.#found?.chain ?? [], flowId, resumed: true, leaves: undefined }
    return { chain: tls.peerChain(), flowId, resumed: false, leaves: this.#mayResume ? leavesOf(tls) : undefined }
  }
}

/** RFC 8446, 7.5: known to the two ends of this handshake only; the client's part of it was checked with its Finished, before. */
function leavesOf (tls: TlsConnection): PresharedKey {
  const { identity, secret } = resumptionExporterLabels
  return { identity: tls.export(identity, identityBytes), secret: tls.export(secret, secretBytes) }
}
