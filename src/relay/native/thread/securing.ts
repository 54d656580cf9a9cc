/** A TLS handshake under way. */

import { HandshakeError, alpnName, flowExporterLabel, flowIdBytes, resumptionExporterLabels } from '../../../frames/index.ts'
import { TlsConnection, identityBytes, resetOnClose, secretBytes, tlsResult } from '../../../sys/index.ts'
import type { PresharedKey, WriteBuffers } from '../../../sys/index.ts'
import type { SecureOrder, Shown } from '../protocol.ts'
import type { Context } from './contexts.ts'
import type { Loop, Task } from './loop.ts'
import type { Resumable } from './resumable.ts'
import type { RawSocket } from './socket.ts'

export interface SecuringTerms extends Pick<SecureOrder, 'role' | 'mayResume' | 'offers'> {
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
  /** What the client has offered, and is known. */
  #found: Resumable | undefined
  #over = false

  /** Throws OpenSslError. */
  constructor ({ socket, context, role, mayResume, offers }: SecuringTerms, buffers: WriteBuffers, loop: Loop, hooks: SecuringHooks) {
    this.socket = socket
    this.#loop = loop
    this.#hooks = hooks
    this.#mayResume = mayResume
    const find = (identity: Uint8Array): Uint8Array | undefined => (this.#found = context.find(identity))?.secret
    this.#tls = new TlsConnection(context.tls, socket.fd.number, role, buffers, { ...offers !== undefined && { offers }, ...mayResume && { find } })
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
      this.#hooks.done(this.#tls, this.#shown())
    }
  }

  #shown (): Shown {
    const tls = this.#tls
    const flowId = tls.export(flowExporterLabel, flowIdBytes)
    if (tls.hasUsedKey) return { chain: this.#found?.chain ?? [], flowId, resumed: true, leaves: undefined }
    return { chain: tls.peerChain(), flowId, resumed: false, leaves: this.#mayResume ? leavesOf(tls) : undefined }
  }
}

/** RFC 8446, 7.5: known to the two ends of this handshake only; the client's part of it was checked with its Finished, before. */
function leavesOf (tls: TlsConnection): PresharedKey {
  const { identity, secret } = resumptionExporterLabels
  return { identity: tls.export(identity, identityBytes), secret: tls.export(secret, secretBytes) }
}
