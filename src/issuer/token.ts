/** The form of a service account token, and what a refused one says of itself. Nothing here believes a token. */

import type { RefusalCode } from './refusal.ts'

/** A projected token takes 1 to 2 KB. */
const maxTokenBytes = 8192
const jwt = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/
const bearer = /^Bearer +(\S+)$/i

/** The token of an Authorization header; `undefined` when there is none of that form. */
export function bearerToken (header: string | undefined): string | undefined {
  const token = bearer.exec(header ?? '')?.[1]
  return token !== undefined && token.length <= maxTokenBytes && jwt.test(token) ? token : undefined
}

/**
 * Why the API server may have refused the token, from its own unproven claims: for the log and the counter only. Whoever
 * forges claims changes how his refusal is called, not that he is refused.
 */
export function reasonOf (token: string, audience: string, nowMs: number): RefusalCode {
  const { aud, exp } = claimsOf(token)
  if (typeof exp === 'number' && exp * 1000 <= nowMs) return 'token-expired'
  const audiences = Array.isArray(aud) ? aud : [aud]
  return audiences.includes(audience) ? 'token-rejected' : 'wrong-audience'
}

function claimsOf (token: string): { readonly aud?: unknown, readonly exp?: unknown } {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.exec(token)?.[1] ?? '', 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? claims : {}
  } catch {
    return {}
  }
}
