/** What can go wrong between two agents before a connection is permitted. */

export type HandshakeErrorCode =
  | 'handshake-timeout'   // the peer took longer than `handshake.timeout`
  | 'handshake-failed'    // TLS broke, or the peer went away in the middle of it
  | 'peer-untrusted'      // TLS worked, but the certificate proves nothing that we trust
  | 'protocol-error'      // the peer broke the rules of our frames
  | 'refused-by-peer'     // the peer does not trust us, and says why
  | 'no-identity'         // our own pod has no valid certificate

export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
  readonly code: HandshakeErrorCode
  /** The finer reason, from a closed list where there is one (an identity code, an OpenSSL code). */
  readonly detail: string

  constructor (code: HandshakeErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options)
    this.code = code
    this.detail = detail
  }
}
