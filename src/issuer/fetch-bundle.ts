/** One request to a SPIFFE bundle endpoint, by either profile. Redirects are not followed: where trust comes from is what the operator wrote. */

import { Client } from 'undici'
import { parseBundle } from './bundle.ts'
import { IssuerError } from './error.ts'
import { readBounded } from './http.ts'
import { spiffeConnector, webConnector } from './spiffe-tls.ts'
import type { Bundle } from './bundle.ts'
import type { Relationship } from './federation.ts'
import type { Connector } from './spiffe-tls.ts'

const maxBundleBytes = 1024 * 1024
const connectTimeoutMs = 10_000

/** Rejects with `bad-bundle`, `issuer-untrusted` or what the connection said. `readFile` reads the PEM of `caFile`. */
export async function fetchBundle (relationship: Relationship, trusted: Bundle | undefined, signal: AbortSignal, readFile: (path: string) => string): Promise<Bundle> {
  const { trustDomain, url } = relationship
  if (url === undefined) throw new IssuerError('bad-bundle', 'it has no endpoint')
  const { origin, pathname, search } = new URL(url)
  const client = new Client(origin, { connect: connectorFor(relationship, trusted, readFile), maxResponseSize: maxBundleBytes, headersTimeout: connectTimeoutMs, bodyTimeout: connectTimeoutMs })
  try {
    const { statusCode, body } = await client.request({ method: 'GET', path: pathname + search, headers: { accept: 'application/json' }, signal })
    const text = await readBounded(body, maxBundleBytes)
    if (statusCode !== 200) throw new IssuerError('bad-bundle', `the endpoint answers with status ${statusCode}`)
    return parseBundle(text.toString(), trustDomain)
  } finally {
    await client.destroy()
  }
}

/** The endpoint's own trust domain has to be the one whose bundle it serves: nobody else has been told to vouch for it. */
function connectorFor ({ profile, endpointId, trustDomain, caFile }: Relationship, trusted: Bundle | undefined, readFile: (path: string) => string): Connector {
  if (profile === 'https_web') return webConnector(caFile === '' ? undefined : readFile(caFile), connectTimeoutMs)
  if (!endpointId.startsWith(`spiffe://${trustDomain}/`)) throw new IssuerError('bad-bundle', `the endpoint ${endpointId} is not of ${trustDomain}`)
  if (trusted === undefined) throw new IssuerError('bad-bundle', 'there is no bundle to begin with')
  return spiffeConnector({ spiffeId: endpointId, roots: trusted.roots.map(({ pem }) => pem), connectTimeoutMs })
}
