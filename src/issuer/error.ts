/** What can go wrong around the issuer: refusals of the server (`refusal.ts`), failures of the client, failures of our own side. */

import type { RefusalCode } from './refusal.ts'

/** Why the agent has no answer of the issuer that it can use. */
export type ClientErrorCode =
  | 'issuer-unreachable'  // no connection, or no answer in time
  | 'issuer-untrusted'    // whoever answers cannot prove to be the issuer
  | 'issuer-busy'         // asked to come back later
  | 'issuer-refused'      // refused; the message has the issuer's code
  | 'bad-answer'          // an answer that is none
  | 'token-unreadable'    // our own token cannot be read

/** Why the issuer itself cannot do something. */
export type OwnErrorCode =
  | 'config-unreadable' | 'config-invalid'
  | 'cannot-listen'
  | 'bad-secret'          // a Secret does not hold what it should
  | 'bad-bundle'          // a trust bundle of another trust domain cannot be used
  | 'conflict'            // somebody else wrote first, again and again
  | 'kubernetes-failed'   // the API server did not answer, or refused

export type IssuerErrorCode = RefusalCode | ClientErrorCode | OwnErrorCode

/** The only error that this folder throws on purpose; never holds a token or key material. */
export class IssuerError extends Error {
  override readonly name = 'IssuerError'
  readonly code: IssuerErrorCode

  constructor (code: IssuerErrorCode, message: string, { cause }: { readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
