/** How a forwarded connection ends, whatever has moved its bytes. */

import type { ResetReason, VerdictMessage } from '../handshake/index.ts'

export type Side = 'client' | 'server'

export type Ending =
  | { readonly kind: 'completed' }
  | { readonly kind: 'aborted', readonly by: Side, readonly abort: Abort }
  | { readonly kind: 'revoked', readonly revocation: Revocation }

/** Why one end ended abnormally. */
export type Abort =
  | { readonly kind: 'reset', readonly detail: string }
  | { readonly kind: 'told', readonly reason: ResetReason, readonly detail: string }
  | { readonly kind: 'refused', readonly verdict: VerdictMessage }

/** Why a live connection is ended from outside. */
export class Revocation extends Error {
  override readonly name = 'Revocation'
  readonly code: ResetReason

  constructor (code: ResetReason, detail: string) {
    super(detail)
    this.code = code
  }
}

/** What ends a live connection from outside: policy, expiry, shutdown. Whoever forwards it listens; nobody else. */
export interface Revocable {
  /** Why it was revoked, once it was. */
  readonly why: Revocation | undefined
  onRevoked: ((why: Revocation) => void) | undefined
}

/** Revokes once. In place of an AbortController, which takes a kilobyte for each connection. */
export class Revoker implements Revocable {
  onRevoked: ((why: Revocation) => void) | undefined
  #why: Revocation | undefined

  get why (): Revocation | undefined { return this.#why }

  /** The first reason counts. */
  revoke (why: Revocation): void {
    if (this.#why !== undefined) return
    this.#why = why
    this.onRevoked?.(why)
  }
}

/** Hears of every application byte that was passed on, by the side that it came from. */
export type Meter = (from: Side, bytes: number) => void
