/** SPIFFE IDs (SPIFFE-ID.md, 2): `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */

export interface SpiffeId {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** SPIFFE-ID.md, 2.3: the whole URI is at most 2048 bytes, the trust domain at most 255. */
const maxIdBytes = 2048
const trustDomainPattern = /^[a-z0-9._-]{1,255}$/
const segmentPattern = /^[A-Za-z0-9._-]+$/

export function isTrustDomain (text: string): boolean {
  return trustDomainPattern.test(text)
}

export function formatSpiffeId ({ trustDomain, namespace, serviceAccount }: SpiffeId): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}

/** Parses an ID of our path form; `undefined` for every other URI, also for valid SPIFFE IDs with another path. */
export function parseSpiffeId (uri: string): SpiffeId | undefined {
  if (uri.length > maxIdBytes || !uri.startsWith('spiffe://')) return undefined
  const [trustDomain = '', ns, namespace = '', sa, serviceAccount = '', ...rest] = uri.slice(9).split('/')
  if (!isTrustDomain(trustDomain) || ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined
  if (!isSegment(namespace) || !isSegment(serviceAccount)) return undefined
  return { trustDomain, namespace, serviceAccount }
}

export function sameSpiffeId (a: SpiffeId, b: SpiffeId): boolean {
  return formatSpiffeId(a) === formatSpiffeId(b)
}

function isSegment (text: string): boolean {
  return segmentPattern.test(text) && text !== '.' && text !== '..'
}
