/**
 * TLS 1.3 between two agents, by Node's own TLS over a socket that is already connected.
 *
 * The TLS library proves that the peer holds the key of the certificate that it shows (CertificateVerify, RFC 8446,
 * 4.4.3) and no more: `rejectUnauthorized` is off, because what a SPIFFE certificate means is decided by
 * `identity.verifyChain` alone, which the caller runs before anything else is read from or sent to the peer.
 */

import { once } from 'node:events'
import * as tls from 'node:tls'
import { HandshakeError, alpnName } from '../frames/index.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import type { Socket } from 'node:net'
import type { Svid } from '../identity/index.ts'

export interface TlsOptions {
  /** Key exchange groups, most preferred first, `:` between them. The hybrid is post-quantum. */
  readonly groups: string
}

/**
 * SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION (OpenSSL 3.2+, ssl.h): bits 32 and 33.
 * Where OpenSSL is built with brotli it compresses the chain at every handshake, which costs more than the rest of it. Node
 * has been built so and otherwise in the versions of one major; the bits mean nothing to the latter.
 */
const noCertificateCompression = 2 ** 32 + 2 ** 33

const contexts = new WeakMap<Svid, Map<string, tls.SecureContext>>()

/** Takes a connected socket into TLS as the client end; resolves when the handshake is done. */
export function connectTls (socket: Socket, svid: Svid, options: TlsOptions, signal: AbortSignal): Promise<tls.TLSSocket> {
  const stream = tls.connect({
    socket,
    secureContext: contextOf(svid, options),
    ALPNProtocols: [alpnName],
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  return established(stream, 'secureConnect', signal)
}

/** As `connectTls`, as the server end. `socket` must not have been read from. */
export function acceptTls (socket: Socket, svid: Svid, options: TlsOptions, signal: AbortSignal): Promise<tls.TLSSocket> {
  const stream = new tls.TLSSocket(socket, {
    isServer: true,
    secureContext: contextOf(svid, options),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: [alpnName],
  })
  return established(stream, 'secure', signal)
}

/** The certificates that the peer has shown, leaf first, in DER; empty when it showed none. */
export function peerChain (stream: tls.TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  // A self-issued certificate is its own issuer, so the walk is bounded by what verifyChain would accept anyway.
  for (let at = stream.getPeerX509Certificate(); at !== undefined && chain.length < 8; at = at.issuerCertificate) chain.push(at.raw)
  return chain
}

async function established (stream: tls.TLSSocket, event: 'secure' | 'secureConnect', signal: AbortSignal): Promise<tls.TLSSocket> {
  // An error that comes when nobody waits for it any more must not become an uncaught one.
  stream.on('error', () => {})
  try {
    await once(stream, event, { signal })
  } catch (error) {
    stream.destroy()
    if (signal.aborted) throw signal.reason
    throw new HandshakeError('handshake-failed', codeOf(error) ?? messageOf(error), { cause: error })
  }
  if (stream.alpnProtocol !== alpnName) {
    stream.destroy()
    throw new HandshakeError('protocol-error', `no common protocol (ALPN ${stream.alpnProtocol || 'absent'})`)
  }
  return stream
}

/** A context lives as long as its certificate: building one per connection would cost more than the handshake. */
function contextOf (svid: Svid, { groups }: TlsOptions): tls.SecureContext {
  const known = contexts.get(svid) ?? new Map<string, tls.SecureContext>()
  contexts.set(svid, known)
  const context = known.get(groups) ?? tls.createSecureContext({
    cert: svid.certificatesPem,
    key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ca: [], // without it Node loads the public web's roots, which mean nothing here
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: groups,
    secureOptions: noCertificateCompression,
  })
  known.set(groups, context)
  return context
}
