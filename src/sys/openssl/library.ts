/**
 * The OpenSSL that Node carries and exports, as far as we use it.
 *
 * Pointers are branded numbers: an `SSL *` does not pass for a `BIO *`. Who made one frees it; the classes beside
 * this file are the only ones that call these functions, and each holds exactly one pointer.
 */

import * as koffi from 'koffi'
import { Memory } from '../memory.ts'
import type { Address } from '../memory.ts'

declare const brand: unique symbol
/** A pointer of OpenSSL; 0 is NULL. */
export type Pointer<T extends string> = number & { readonly [brand]: T }

export type SslCtx = Pointer<'SSL_CTX'>
export type Ssl = Pointer<'SSL'>
export type Bio = Pointer<'BIO'>
export type X509 = Pointer<'X509'>
export type Key = Pointer<'EVP_PKEY'>
export type Session = Pointer<'SSL_SESSION'>
type Cipher = Pointer<'SSL_CIPHER'>
type Method = Pointer<'SSL_METHOD'>
type BioMethod = Pointer<'BIO_METHOD'>
type Chain = Pointer<'STACK_OF(X509)'>
/** A C function that OpenSSL calls. */
export type Callback = Pointer<'callback'>

/** The functions, by their own names. Returned numbers mean what OpenSSL's manual says. */
export interface OpenSsl {
  readonly OpenSSL_version_num: () => number
  readonly TLS_method: () => Method
  readonly SSL_CTX_new: (method: Method) => SslCtx
  readonly SSL_CTX_free: (ctx: SslCtx) => void
  readonly SSL_CTX_ctrl: (ctx: SslCtx, command: number, number: number, pointer: number) => number
  readonly SSL_CTX_set_options: (ctx: SslCtx, options: number) => number
  readonly SSL_CTX_use_certificate: (ctx: SslCtx, certificate: X509) => number
  readonly SSL_CTX_use_PrivateKey: (ctx: SslCtx, key: Key) => number
  readonly SSL_CTX_check_private_key: (ctx: SslCtx) => number
  /** SSL_CTX_set1_groups_list, a macro. */
  readonly SSL_CTX_ctrl_text: (ctx: SslCtx, command: number, number: 0, text: string) => number
  readonly SSL_CTX_set_alpn_protos: (ctx: SslCtx, wire: Uint8Array, length: number) => number
  readonly SSL_CTX_set_alpn_select_cb: (ctx: SslCtx, callback: Callback, argument: 0) => void
  readonly SSL_CTX_set_cert_verify_callback: (ctx: SslCtx, callback: Callback, argument: 0) => void
  readonly SSL_CTX_set_verify: (ctx: SslCtx, mode: number, callback: 0) => void
  readonly SSL_CTX_set_num_tickets: (ctx: SslCtx, count: number) => number
  readonly SSL_CTX_set_default_read_buffer_len: (ctx: SslCtx, length: number) => void
  readonly SSL_CTX_set_session_id_context: (ctx: SslCtx, context: Uint8Array, length: number) => number
  readonly SSL_CTX_set_psk_use_session_callback: (ctx: SslCtx, callback: Callback) => void
  readonly SSL_CTX_set_psk_find_session_callback: (ctx: SslCtx, callback: Callback) => void
  readonly SSL_new: (ctx: SslCtx) => Ssl
  readonly SSL_free: (ssl: Ssl) => void
  readonly SSL_set_accept_state: (ssl: Ssl) => void
  readonly SSL_set_connect_state: (ssl: Ssl) => void
  readonly SSL_set0_rbio: (ssl: Ssl, bio: Bio) => void
  readonly SSL_set0_wbio: (ssl: Ssl, bio: Bio) => void
  readonly SSL_set_read_ahead: (ssl: Ssl, yes: number) => void
  readonly SSL_do_handshake: (ssl: Ssl) => number
  readonly SSL_read: (ssl: Ssl, to: Address, length: number) => number
  readonly SSL_write: (ssl: Ssl, from: Address, length: number) => number
  readonly SSL_read_early_data: (ssl: Ssl, to: Address, length: number, got: Address) => number
  readonly SSL_write_early_data: (ssl: Ssl, from: Address, length: number, written: Address) => number
  readonly SSL_get_finished: (ssl: Ssl, to: Address, length: number) => number
  readonly SSL_shutdown: (ssl: Ssl) => number
  readonly SSL_get_error: (ssl: Ssl, result: number) => number
  readonly SSL_has_pending: (ssl: Ssl) => number
  readonly SSL_ctrl: (ssl: Ssl, command: number, number: 0, pointer: Address) => number
  readonly SSL_get0_alpn_selected: (ssl: Ssl, data: Address, length: Address) => void
  readonly SSL_get0_peer_certificate: (ssl: Ssl) => X509
  readonly SSL_get_peer_cert_chain: (ssl: Ssl) => Chain
  readonly SSL_session_reused: (ssl: Ssl) => number
  readonly SSL_SESSION_new: () => Session
  readonly SSL_SESSION_free: (session: Session) => void
  readonly SSL_SESSION_set1_master_key: (session: Session, key: Uint8Array, length: number) => number
  readonly SSL_SESSION_set_cipher: (session: Session, cipher: Cipher) => number
  readonly SSL_SESSION_set_protocol_version: (session: Session, version: number) => number
  readonly SSL_SESSION_set1_id_context: (session: Session, context: Uint8Array, length: number) => number
  readonly SSL_CIPHER_find: (ssl: Ssl, id: Uint8Array) => Cipher
  readonly SSL_export_keying_material: (ssl: Ssl, out: Uint8Array, length: number, label: string, labelLength: number, context: 0, contextLength: 0, useContext: 0) => number
  readonly OPENSSL_sk_num: (stack: Chain) => number
  readonly OPENSSL_sk_value: (stack: Chain, index: number) => X509
  readonly i2d_X509: (certificate: X509, out: Address | 0) => number
  readonly d2i_X509: (out: 0, in_: Address, length: number) => X509
  readonly X509_get0_pubkey: (certificate: X509) => Key
  readonly X509_free: (certificate: X509) => void
  readonly d2i_AutoPrivateKey: (out: 0, in_: Address, length: number) => Key
  readonly EVP_PKEY_set_type: (key: Key, type: number) => number
  readonly EVP_PKEY_free: (key: Key) => void
  readonly BIO_new: (method: BioMethod) => Bio
  readonly BIO_new_socket: (fd: number, close: number) => Bio
  readonly BIO_f_buffer: () => BioMethod
  readonly BIO_s_socket: () => BioMethod
  readonly BIO_push: (top: Bio, bottom: Bio) => Bio
  readonly BIO_up_ref: (bio: Bio) => number
  readonly BIO_free_all: (bio: Bio) => void
  readonly BIO_ctrl: (bio: Bio, command: number, number: number, pointer: number) => number
  readonly BIO_int_ctrl: (bio: Bio, command: number, number: number, argument: number) => number
  readonly BIO_test_flags: (bio: Bio, flags: number) => number
  readonly ERR_clear_error: () => void
  readonly ERR_get_error: () => number
  readonly ERR_error_string_n: (code: number, out: Uint8Array, length: number) => void
  readonly memcpy: (to: Address, from: number, length: number) => number
}

/** C prototypes; a pointer that we hold as a number is `uintptr_t`, bytes that are only lent are `void *`. */
const prototypes: Readonly<Record<keyof OpenSsl, string>> = {
  OpenSSL_version_num: 'ulong OpenSSL_version_num()',
  TLS_method: 'uintptr_t TLS_method()',
  SSL_CTX_new: 'uintptr_t SSL_CTX_new(uintptr_t method)',
  SSL_CTX_free: 'void SSL_CTX_free(uintptr_t ctx)',
  SSL_CTX_ctrl: 'long SSL_CTX_ctrl(uintptr_t ctx, int command, long number, uintptr_t pointer)',
  SSL_CTX_set_options: 'uint64 SSL_CTX_set_options(uintptr_t ctx, uint64 options)',
  SSL_CTX_use_certificate: 'int SSL_CTX_use_certificate(uintptr_t ctx, uintptr_t certificate)',
  SSL_CTX_use_PrivateKey: 'int SSL_CTX_use_PrivateKey(uintptr_t ctx, uintptr_t key)',
  SSL_CTX_check_private_key: 'int SSL_CTX_check_private_key(uintptr_t ctx)',
  SSL_CTX_ctrl_text: 'long SSL_CTX_ctrl(uintptr_t ctx, int command, long number, const char *text)',
  SSL_CTX_set_alpn_protos: 'int SSL_CTX_set_alpn_protos(uintptr_t ctx, const void *wire, uint length)',
  SSL_CTX_set_alpn_select_cb: 'void SSL_CTX_set_alpn_select_cb(uintptr_t ctx, uintptr_t callback, uintptr_t argument)',
  SSL_CTX_set_cert_verify_callback: 'void SSL_CTX_set_cert_verify_callback(uintptr_t ctx, uintptr_t callback, uintptr_t argument)',
  SSL_CTX_set_verify: 'void SSL_CTX_set_verify(uintptr_t ctx, int mode, uintptr_t callback)',
  SSL_CTX_set_num_tickets: 'int SSL_CTX_set_num_tickets(uintptr_t ctx, size_t count)',
  SSL_CTX_set_default_read_buffer_len: 'void SSL_CTX_set_default_read_buffer_len(uintptr_t ctx, size_t length)',
  SSL_CTX_set_session_id_context: 'int SSL_CTX_set_session_id_context(uintptr_t ctx, const void *context, uint length)',
  SSL_CTX_set_psk_use_session_callback: 'void SSL_CTX_set_psk_use_session_callback(uintptr_t ctx, uintptr_t callback)',
  SSL_CTX_set_psk_find_session_callback: 'void SSL_CTX_set_psk_find_session_callback(uintptr_t ctx, uintptr_t callback)',
  SSL_new: 'uintptr_t SSL_new(uintptr_t ctx)',
  SSL_free: 'void SSL_free(uintptr_t ssl)',
  SSL_set_accept_state: 'void SSL_set_accept_state(uintptr_t ssl)',
  SSL_set_connect_state: 'void SSL_set_connect_state(uintptr_t ssl)',
  SSL_set0_rbio: 'void SSL_set0_rbio(uintptr_t ssl, uintptr_t bio)',
  SSL_set0_wbio: 'void SSL_set0_wbio(uintptr_t ssl, uintptr_t bio)',
  SSL_set_read_ahead: 'void SSL_set_read_ahead(uintptr_t ssl, int yes)',
  SSL_do_handshake: 'int SSL_do_handshake(uintptr_t ssl)',
  SSL_read: 'int SSL_read(uintptr_t ssl, uintptr_t to, int length)',
  SSL_write: 'int SSL_write(uintptr_t ssl, uintptr_t from, int length)',
  SSL_read_early_data: 'int SSL_read_early_data(uintptr_t ssl, uintptr_t to, size_t length, uintptr_t got)',
  SSL_write_early_data: 'int SSL_write_early_data(uintptr_t ssl, uintptr_t from, size_t length, uintptr_t written)',
  SSL_get_finished: 'size_t SSL_get_finished(uintptr_t ssl, uintptr_t to, size_t length)',
  SSL_shutdown: 'int SSL_shutdown(uintptr_t ssl)',
  SSL_get_error: 'int SSL_get_error(uintptr_t ssl, int result)',
  SSL_has_pending: 'int SSL_has_pending(uintptr_t ssl)',
  SSL_ctrl: 'long SSL_ctrl(uintptr_t ssl, int command, long number, uintptr_t pointer)',
  SSL_get0_alpn_selected: 'void SSL_get0_alpn_selected(uintptr_t ssl, uintptr_t data, uintptr_t length)',
  SSL_get0_peer_certificate: 'uintptr_t SSL_get0_peer_certificate(uintptr_t ssl)',
  SSL_get_peer_cert_chain: 'uintptr_t SSL_get_peer_cert_chain(uintptr_t ssl)',
  SSL_session_reused: 'int SSL_session_reused(uintptr_t ssl)',
  SSL_SESSION_new: 'uintptr_t SSL_SESSION_new()',
  SSL_SESSION_free: 'void SSL_SESSION_free(uintptr_t session)',
  SSL_SESSION_set1_master_key: 'int SSL_SESSION_set1_master_key(uintptr_t session, const void *key, size_t length)',
  SSL_SESSION_set_cipher: 'int SSL_SESSION_set_cipher(uintptr_t session, uintptr_t cipher)',
  SSL_SESSION_set_protocol_version: 'int SSL_SESSION_set_protocol_version(uintptr_t session, int version)',
  SSL_SESSION_set1_id_context: 'int SSL_SESSION_set1_id_context(uintptr_t session, const void *context, uint length)',
  SSL_CIPHER_find: 'uintptr_t SSL_CIPHER_find(uintptr_t ssl, const void *id)',
  SSL_export_keying_material:
    'int SSL_export_keying_material(uintptr_t ssl, void *out, size_t length, const char *label, size_t labelLength, uintptr_t context, size_t contextLength, int useContext)',
  OPENSSL_sk_num: 'int OPENSSL_sk_num(uintptr_t stack)',
  OPENSSL_sk_value: 'uintptr_t OPENSSL_sk_value(uintptr_t stack, int index)',
  i2d_X509: 'int i2d_X509(uintptr_t certificate, uintptr_t out)',
  d2i_X509: 'uintptr_t d2i_X509(uintptr_t out, uintptr_t in, long length)',
  X509_get0_pubkey: 'uintptr_t X509_get0_pubkey(uintptr_t certificate)',
  X509_free: 'void X509_free(uintptr_t certificate)',
  d2i_AutoPrivateKey: 'uintptr_t d2i_AutoPrivateKey(uintptr_t out, uintptr_t in, long length)',
  EVP_PKEY_set_type: 'int EVP_PKEY_set_type(uintptr_t key, int type)',
  EVP_PKEY_free: 'void EVP_PKEY_free(uintptr_t key)',
  BIO_new: 'uintptr_t BIO_new(uintptr_t method)',
  BIO_new_socket: 'uintptr_t BIO_new_socket(int fd, int close)',
  BIO_f_buffer: 'uintptr_t BIO_f_buffer()',
  BIO_s_socket: 'uintptr_t BIO_s_socket()',
  BIO_push: 'uintptr_t BIO_push(uintptr_t top, uintptr_t bottom)',
  BIO_up_ref: 'int BIO_up_ref(uintptr_t bio)',
  BIO_free_all: 'void BIO_free_all(uintptr_t bio)',
  BIO_ctrl: 'long BIO_ctrl(uintptr_t bio, int command, long number, uintptr_t pointer)',
  BIO_int_ctrl: 'long BIO_int_ctrl(uintptr_t bio, int command, long number, int argument)',
  BIO_test_flags: 'int BIO_test_flags(uintptr_t bio, int flags)',
  ERR_clear_error: 'void ERR_clear_error()',
  ERR_get_error: 'ulong ERR_get_error()',
  ERR_error_string_n: 'void ERR_error_string_n(ulong code, void *out, size_t length)',
  memcpy: 'uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t length)',
}

/** tls1.h */
export const TLS1_3_VERSION = 0x0304

/** OpenSSL 3.2: the first with certificate compression, and with options beyond 32 bits. */
const leastVersion = 0x30200000

let loaded: OpenSsl | undefined

/** The functions; throws Error where this Node does not export them, or is built with another OpenSSL. */
export function openssl (): OpenSsl {
  if (loaded !== undefined) return loaded
  const [node, libc] = [koffi.load(null), koffi.load('libc.so.6')]
  const functions = Object.entries(prototypes).map(([name, prototype]) => [name, (name === 'memcpy' ? libc : node).func(prototype)])
  // The interface declares the C prototypes beside it: koffi returns untyped functions.
  const library = Object.fromEntries(functions) as OpenSsl
  const version = library.OpenSSL_version_num()
  if (version < leastVersion) throw new Error(`OpenSSL ${version.toString(16)} is older than 3.2`)
  loaded = library
  return library
}

/** Why OpenSSL cannot be called here; `undefined` when it can. */
export function whyNoOpenssl (): string | undefined {
  try {
    openssl()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * A C function that returns `int`, for OpenSSL to call, with arguments of these types. It is kept as long as the thread
 * lives, so make few. `callback` must not throw: there is nobody above it to catch.
 */
export function registerCallback (types: readonly ('uintptr_t' | 'uint' | 'size_t')[], callback: (...values: number[]) => number): Callback {
  return Number(koffi.register(callback, koffi.pointer(koffi.proto('int', [...types])))) as Callback // a function pointer
}

const word = new Memory(8)
const value = new BigUint64Array(word.bytes.buffer)

/** Writes eight bytes, a pointer or a size, where OpenSSL has lent a callback the place for it. */
export function writeWord (to: number, what: number): void {
  value[0] = BigInt(what)
  openssl().memcpy(to as Address, word.address, 8)
}
