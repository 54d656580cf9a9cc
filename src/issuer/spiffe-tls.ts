/**
 * HTTPS towards somebody who proves a SPIFFE ID instead of a host name (SPIFFE_Federation.md, 5.2.2): the chain has to lead to a
 * root of that ID's trust domain, and the certificate has to be of exactly that ID. Names and addresses of hosts mean nothing here.
 */

import { rootCertificates } from 'node:tls'
import { buildConnector } from 'undici'
import { IssuerError } from './error.ts'
import type { PeerCertificate } from 'node:tls'

/** undici's way to open a connection. */
export type Connector = buildConnector.connector

export interface SpiffeServer {
  readonly spiffeId: string
  /** Roots of the ID's trust domain, PEM. */
  readonly roots: readonly string[]
  readonly connectTimeoutMs: number
}

/** Connects to nobody else than the server with that ID. TLS 1.3. */
export function spiffeConnector ({ spiffeId, roots, connectTimeoutMs }: SpiffeServer): Connector {
  // Without a list Node would fall back to the public web's roots.
  if (roots.length === 0) return (_options, callback) => { callback(new IssuerError('issuer-untrusted', `no root is known for ${spiffeId}`), null) }
  return buildConnector({
    ca: [...roots],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => refusalOf(certificate, spiffeId),
    timeout: connectTimeoutMs,
    maxCachedSessions: 0, // a resumed session would be judged by the trust of yesterday
    allowH2: false,
  })
}

/** Connects by host name and the authorities of the web, or those of `ca` (PEM). */
export function webConnector (ca: string | undefined, connectTimeoutMs: number): Connector {
  return buildConnector({ ca: ca ?? [...rootCertificates], minVersion: 'TLSv1.2', timeout: connectTimeoutMs, maxCachedSessions: 0, allowH2: false })
}

/** Exactly one URI name, and that is the ID. Node writes names as `URI:…`, with a comma and a space between them. */
function refusalOf (certificate: PeerCertificate, spiffeId: string): Error | undefined {
  const uris = (certificate.subjectaltname ?? '').split(', ').filter(name => name.startsWith('URI:'))
  return uris.length === 1 && uris[0] === `URI:${spiffeId}` ? undefined : new IssuerError('issuer-untrusted', `the server is not ${spiffeId}`)
}
