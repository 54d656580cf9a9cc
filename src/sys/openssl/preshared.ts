/**
 * Pre-shared keys of TLS 1.3, with (EC)DHE (RFC 8446, 2.2 and 4.2.11): who shares one with the peer proves it by the
 * handshake, and no certificate is shown. Whom a key stands for is the caller's to know.
 *
 * OpenSSL asks for them during a handshake, in the thread that goes on with it.
 */

import { Memory } from '../memory.ts'
import { takeError } from './error.ts'
import { TLS1_3_VERSION, openssl, registerCallback, writeWord } from './library.ts'
import type { Callback, Session, Ssl, SslCtx } from './library.ts'

export interface PresharedKey {
  /** What goes over the wire, in the clear. */
  readonly identity: Uint8Array
  readonly secret: Uint8Array
}

/** What a handshake has of them: a client what it offers, a server what it knows. */
export interface PresharedKeys {
  readonly offers?: PresharedKey
  /** The secret of an identity that a client offers, whoever that may be; must not throw. */
  readonly find?: (identity: Uint8Array) => Uint8Array | undefined
}

export const identityBytes = 16
/** As long as the hash of the cipher suite below. */
export const secretBytes = 48
/** TLS_AES_256_GCM_SHA384 (RFC 8446, B.4), the first of OpenSSL's. A key is bound to its hash; with another suite there is a full handshake. */
const suite = Buffer.from([0x13, 0x02])
/** Of the connections of a context only these may use its keys (SSL_CTX_set_session_id_context(3)); OpenSSL insists on one. */
const purpose = Buffer.from('liburna')

let asked: PresharedKeys = {}

/** Runs a step of a handshake that has these keys. */
export function withKeys<T> (keys: PresharedKeys, step: () => T): T {
  asked = keys
  try {
    return step()
  } finally {
    asked = {}
  }
}

/** What OpenSSL is told, and what it has told: it copies the one when the callback returns, and the callback the other. */
const identity = new Memory(identityBytes)

let callbacks: { readonly use: Callback, readonly find: Callback } | undefined

/** Handshakes of this context may use keys: those of `withKeys`. */
export function takesKeys (context: SslCtx): void {
  const ssl = openssl()
  if (ssl.SSL_CTX_set_session_id_context(context, purpose, purpose.length) !== 1) throw takeError('SSL_CTX_set_session_id_context')
  callbacks ??= { use: useCallback(), find: findCallback() }
  ssl.SSL_CTX_set_psk_use_session_callback(context, callbacks.use)
  ssl.SSL_CTX_set_psk_find_session_callback(context, callbacks.find)
}

/** SSL_psk_use_session_cb_func: what a client offers. OpenSSL copies the identity, and owns the session, which it changes. */
function useCallback (): Callback {
  return registerCallback(['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t'], (pointer = 0, _md = 0, id = 0, idLength = 0, session = 0) => {
    const { offers } = asked
    const made = offers === undefined ? 0 : sessionOf(pointer as Ssl, offers.secret)
    identity.bytes.set(made === 0 ? [] : offers?.identity ?? [])
    writeWord(id, identity.address)
    writeWord(idLength, made === 0 ? 0 : identityBytes)
    writeWord(session, made)
    return 1
  })
}

/** SSL_psk_find_session_cb_func: what a server knows. Without a session there is a full handshake. */
function findCallback (): Callback {
  return registerCallback(['uintptr_t', 'uintptr_t', 'size_t', 'uintptr_t'], (pointer = 0, offered = 0, length = 0, session = 0) => {
    writeWord(session, 0)
    if (length !== identityBytes || asked.find === undefined) return 1
    openssl().memcpy(identity.address, offered, identityBytes)
    const secret = asked.find(identity.bytes)
    if (secret !== undefined) writeWord(session, sessionOf(pointer as Ssl, secret))
    return 1
  })
}

/** A session that has this key; NULL when OpenSSL cannot make one. Whoever gets it owns it. */
function sessionOf (pointer: Ssl, secret: Uint8Array): Session {
  const ssl = openssl()
  const session = ssl.SSL_SESSION_new()
  if (session === 0) return session
  const isMade = ssl.SSL_SESSION_set1_master_key(session, secret, secret.length) === 1 &&
    ssl.SSL_SESSION_set_cipher(session, ssl.SSL_CIPHER_find(pointer, suite)) === 1 &&
    ssl.SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) === 1 &&
    ssl.SSL_SESSION_set1_id_context(session, purpose, purpose.length) === 1
  if (isMade) return session
  ssl.SSL_SESSION_free(session)
  ssl.ERR_clear_error()
  return 0 as Session // NULL
}
