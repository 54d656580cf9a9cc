/** A pod's certificate and key in OpenSSL, ready for many connections. */

import { noteLive, strikeLive } from '../census.ts'
import { Memory, withMemory } from '../memory.ts'
import { takeError } from './error.ts'
import { TLS1_3_VERSION, openssl, registerCallback, writeWord } from './library.ts'
import { takesKeys } from './preshared.ts'
import type { Callback, Key, SslCtx, X509 } from './library.ts'

export interface TlsContextOptions {
  /** DER, leaf first, without the root. */
  readonly certificates: readonly Uint8Array[]
  /** PKCS #8, DER. */
  readonly privateKey: Uint8Array
  /** Key exchange groups, most preferred first, `:` between them. */
  readonly groups: string
  /** ALPN names that we speak, most preferred first. */
  readonly protocols: readonly string[]
}

/** ssl.h, tls1.h: commands of SSL_CTX_ctrl. */
const command = { mode: 33, sessionCache: 44, chainCert: 89, groups: 92, minVersion: 123, maxVersion: 124 } as const
/** SSL_MODE_ENABLE_PARTIAL_WRITE is off on purpose: our buffer takes whole writes. */
const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2
const SSL_MODE_RELEASE_BUFFERS = 0x10
const SSL_VERIFY_PEER = 1
/**
 * SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RENEGOTIATION: brotli at
 * every handshake would cost more than the rest of it.
 */
const options = 2 ** 32 + 2 ** 33 + 2 ** 30
/** One read takes as many records as have come; OpenSSL frees the buffer when it is empty. */
export const readBufferBytes = 256 * 1024 + 1024

export class TlsContext implements Disposable {
  #ctx: SslCtx
  readonly protocols: readonly string[]

  /** Throws OpenSslError when certificate, key or groups are not what OpenSSL takes. */
  constructor ({ certificates, privateKey, groups, protocols }: TlsContextOptions) {
    const ssl = openssl()
    this.protocols = protocols
    this.#ctx = ssl.SSL_CTX_new(ssl.TLS_method())
    if (this.#ctx === 0) throw takeError('SSL_CTX_new')
    noteLive(this, 'SSL_CTX')
    try {
      this.#configure(groups)
      this.#show(certificates, privateKey)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The pointer, for `SSL_new` only. Throws after `close`. */
  get pointer (): SslCtx {
    if (this.#ctx === 0) throw new Error('the TLS context is closed')
    return this.#ctx
  }

  /** Connections that were made from it live on: OpenSSL counts references. */
  close (): void {
    if (this.#ctx === 0) return
    strikeLive(this)
    openssl().SSL_CTX_free(this.#ctx)
    this.#ctx = 0 as SslCtx // NULL
  }

  [Symbol.dispose] (): void { this.close() }

  #configure (groups: string): void {
    const ssl = openssl()
    const ctx = this.#ctx
    const control = (number: number, value: number): void => { expect('SSL_CTX_ctrl', ssl.SSL_CTX_ctrl(ctx, number, value, 0)) }
    control(command.minVersion, TLS1_3_VERSION)
    control(command.maxVersion, TLS1_3_VERSION)
    ssl.SSL_CTX_set_options(ctx, options)
    ssl.SSL_CTX_ctrl(ctx, command.mode, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS, 0)
    // No tickets of OpenSSL: they hold the peer's certificate without its chain, and nobody could take one back.
    ssl.SSL_CTX_ctrl(ctx, command.sessionCache, 0, 0)
    expect('SSL_CTX_set_num_tickets', ssl.SSL_CTX_set_num_tickets(ctx, 0))
    takesKeys(ctx)
    expect('groups', ssl.SSL_CTX_ctrl_text(ctx, command.groups, 0, groups))
    ssl.SSL_CTX_set_default_read_buffer_len(ctx, readBufferBytes)
    const wire = Buffer.concat(this.protocols.map(name => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])))
    if (ssl.SSL_CTX_set_alpn_protos(ctx, wire, wire.length) !== 0) throw takeError('SSL_CTX_set_alpn_protos') // 0 is success
    ssl.SSL_CTX_set_alpn_select_cb(ctx, selectorFor(wire), 0)
    // A certificate is asked for; whether it means anything is decided elsewhere, before a byte is believed.
    ssl.SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, 0)
    ssl.SSL_CTX_set_cert_verify_callback(ctx, acceptAny(), 0)
  }

  #show (certificates: readonly Uint8Array[], privateKey: Uint8Array): void {
    const ssl = openssl()
    for (const [i, der] of certificates.entries()) {
      const certificate = parse<X509>('d2i_X509', der, ssl.d2i_X509)
      try {
        if (i === 0) expect('SSL_CTX_use_certificate', ssl.SSL_CTX_use_certificate(this.#ctx, certificate))
        else expect('SSL_CTX_add1_chain_cert', ssl.SSL_CTX_ctrl(this.#ctx, command.chainCert, 1, certificate))
      } finally {
        ssl.X509_free(certificate) // the context holds its own reference
      }
    }
    const key = parse<Key>('d2i_AutoPrivateKey', privateKey, ssl.d2i_AutoPrivateKey)
    try {
      expect('SSL_CTX_use_PrivateKey', ssl.SSL_CTX_use_PrivateKey(this.#ctx, key))
    } finally {
      ssl.EVP_PKEY_free(key)
    }
    expect('SSL_CTX_check_private_key', ssl.SSL_CTX_check_private_key(this.#ctx))
  }
}

/** d2i functions take the address of a pointer, which they move. */
function parse<T extends number> (what: string, der: Uint8Array, d2i: (out: 0, in_: Memory['address'], length: number) => T): T {
  const object = withMemory(der.length, bytes => {
    bytes.bytes.set(der)
    new BigUint64Array(pointer.bytes.buffer)[0] = BigInt(bytes.address)
    const result = d2i(0, pointer.address, der.length)
    bytes.bytes.fill(0) // a key must not lie around
    return result
  })
  if (object === 0) throw takeError(what)
  return object
}

const pointer = new Memory(8)

function expect (what: string, result: number): void {
  if (result !== 1) throw takeError(what)
}

let anyCallback: Callback | undefined

/** Says yes to every chain: see `SSL_CTX_set_cert_verify_callback` above. */
function acceptAny (): Callback {
  anyCallback ??= registerCallback(['uintptr_t', 'uintptr_t'], () => 1)
  return anyCallback
}

const selectors = new Map<string, Callback>()
const SSL_TLSEXT_ERR_OK = 0
const SSL_TLSEXT_ERR_ALERT_FATAL = 2
/** The client's list is at most 64 KiB (RFC 7301, 3.1); more than this is not from an agent. */
const mostOffered = 512
const scratch = new Memory(mostOffered)

/** Chooses the first of our names, as length-prefixed `wire`, that the client offers too; refuses when there is none. */
function selectorFor (wire: Buffer): Callback {
  const key = wire.toString('latin1')
  const known = selectors.get(key)
  if (known !== undefined) return known
  const callback = registerCallback(['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uint', 'uintptr_t'],
    (_ssl = 0, out = 0, outLength = 0, offered = 0, length = 0) => {
      if (length > mostOffered) return SSL_TLSEXT_ERR_ALERT_FATAL
      const ssl = openssl()
      ssl.memcpy(scratch.address, offered, length)
      const at = findCommon(wire, scratch.bytes.subarray(0, length))
      if (at === undefined) return SSL_TLSEXT_ERR_ALERT_FATAL
      const size = scratch.bytes[at] ?? 0
      writeWord(out, offered + at + 1)
      scratch.bytes[0] = size
      ssl.memcpy(outLength as Memory['address'], scratch.address, 1) // OpenSSL lent it to be written
      return SSL_TLSEXT_ERR_OK
    })
  selectors.set(key, callback)
  return callback
}

/** Where in `offered` the first name of `ours` stands; both are lists of length-prefixed names. */
export function findCommon (ours: Uint8Array, offered: Uint8Array): number | undefined {
  for (const name of names(ours)) for (const other of names(offered)) {
    if (Buffer.compare(ours.subarray(name + 1, name + 1 + (ours[name] ?? 0)), offered.subarray(other + 1, other + 1 + (offered[other] ?? 0))) === 0) return other
  }
  return undefined
}

/** Offsets of the names that lie wholly inside. */
function * names (list: Uint8Array): Generator<number> {
  for (let at = 0; at < list.length; at += 1 + (list[at] ?? 0)) if (at + 1 + (list[at] ?? 0) <= list.length) yield at
}
