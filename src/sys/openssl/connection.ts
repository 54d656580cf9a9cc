/**
 * One TLS connection of OpenSSL on a descriptor that is the caller's.
 *
 * Nothing here waits: what would block says so, and is called again when the socket is ready. The caller keeps the
 * descriptor open as long as this lives.
 */

import { noteLive, strikeLive } from '../census.ts'
import { SysError } from '../error.ts'
import { lastErrno } from '../libc.ts'
import { Memory, withMemory } from '../memory.ts'
import { OpenSslError, takeError } from './error.ts'
import { forget, forgetKeyExchange } from './forget.ts'
import { openssl } from './library.ts'
import { withKeys } from './preshared.ts'
import type { Address } from '../memory.ts'
import type { TlsContext } from './context.ts'
import type { Bio, Ssl, X509 } from './library.ts'
import type { PresharedKeys } from './preshared.ts'
import type { WriteBuffer, WriteBuffers } from './write-buffer.ts'

/** What a call says when it has not done what was asked; `closed`: the peer said close_notify, so nothing was cut off. */
export const tlsResult = { done: 1, closed: 0, wantsRead: -1, wantsWrite: -2, broken: -3 } as const
const { done, closed, wantsRead, wantsWrite, broken } = tlsResult

/** ssl.h */
const SSL_ERROR_WANT_READ = 2
const SSL_ERROR_WANT_WRITE = 3
const SSL_ERROR_SYSCALL = 5
const SSL_ERROR_ZERO_RETURN = 6
/** The client has sent no early data, or no more. */
const SSL_READ_EARLY_DATA_FINISH = 2
/** Most plaintext in a record (RFC 8446, 5.1). */
const recordBytes = 16 * 1024
/** Longest chain that is taken from a peer; verification accepts fewer. */
const maxChain = 8

export class TlsConnection implements Disposable {
  #pointer: Ssl
  readonly #direct: Bio
  readonly #fd: number
  readonly #buffers: WriteBuffers
  #buffer: WriteBuffer | undefined
  #error: OpenSslError | undefined
  /** Of a server: it has sent a HelloRetryRequest (RFC 8446, 4.1.4). */
  #hasRetried = false
  /** Until the handshake is done. */
  #keys: PresharedKeys | undefined

  /** Throws OpenSslError. `fd` is a connected, non-blocking socket. */
  constructor (context: TlsContext, fd: number, role: 'client' | 'server', buffers: WriteBuffers, keys: PresharedKeys = {}) {
    const ssl = openssl()
    this.#keys = keys
    this.#fd = fd
    this.#buffers = buffers
    this.#pointer = ssl.SSL_new(context.pointer)
    if (this.#pointer === 0) throw takeError('SSL_new')
    noteLive(this, 'SSL')
    this.#direct = ssl.BIO_new_socket(fd, 0)
    if (this.#direct === 0) { this.close(); throw takeError('BIO_new_socket') }
    // One reference each for reading and for writing.
    ssl.BIO_up_ref(this.#direct)
    ssl.SSL_set0_rbio(this.#ssl, this.#direct)
    ssl.SSL_set0_wbio(this.#ssl, this.#direct)
    if (role === 'client') ssl.SSL_set_connect_state(this.#ssl)
    else ssl.SSL_set_accept_state(this.#ssl)
  }

  /** Whether OpenSSL holds bytes from the socket that `read` has not given yet, perhaps only a part of a record. */
  get hasPending (): boolean { return openssl().SSL_has_pending(this.#ssl) === 1 }

  /** Whether the handshake has proven a pre-shared key, and no certificate. Once it is done. */
  get hasUsedKey (): boolean { return openssl().SSL_session_reused(this.#ssl) === 1 }

  /** Why `broken` was said first. */
  get error (): OpenSslError | undefined { return this.#error }

  /** Whether encrypted bytes wait for the socket. */
  get isBlocked (): boolean { return this.#buffer !== undefined }

  /** Goes on with the handshake: `done`, or as `read`. */
  handshake (): number {
    const said = this.#advance(() => openssl().SSL_do_handshake(this.#ssl), 1)
    if (said === done) this.#forgetKeys()
    return said
  }

  /**
   * As `handshake`, of a server, up to its first flight: `done` when that is sent. Then `sayEarly` may be called, and
   * `handshake` goes on. OpenSSL makes it a matter of early data, of which there is none: a context takes none unless
   * it is told how much (SSL_CTX_set_max_early_data(3)). Where the client has to say hello again that is as far as it
   * goes: then `done` comes with the end of the handshake.
   */
  answer (): number {
    if (this.#hasRetried) return this.handshake()
    const ssl = openssl()
    const said = this.#advance(() => ssl.SSL_read_early_data(this.#ssl, room.address, countAt, room.at(countAt)), SSL_READ_EARLY_DATA_FINISH)
    this.#hasRetried = said === done && ssl.SSL_get_finished(this.#ssl, room.address, 0) === 0
    return this.#hasRetried ? this.handshake() : said
  }

  /**
   * Tells a client something before it has proven who it is (RFC 8446, 4.4.4: "0.5-RTT" data); whoever has asked can
   * read it. Throws RangeError for more than a few words. False when the connection is broken.
   */
  sayEarly (bytes: Uint8Array): boolean {
    words.bytes.set(bytes)
    if (openssl().SSL_write_early_data(this.#ssl, words.address, bytes.length, room.at(countAt)) === 1) return this.flush() !== broken
    this.#fails('write')
    return false
  }

  /** Reads many records at once from now on. Not for a connection that leaves TLS: it would read beyond. */
  readAhead (): void {
    openssl().SSL_set_read_ahead(this.#ssl, 1)
  }

  /** Decrypted bytes, at most `length`: their number, or `closed`, `wantsRead`, `wantsWrite`, `broken`. */
  read (to: Address, length: number): number {
    const result = openssl().SSL_read(this.#ssl, to, length)
    return result > 0 ? result : this.#settle('read', result)
  }

  /**
   * Encrypts bytes, all of them, into the buffer; `flush` sends them. Call it only while not `isBlocked`, with at
   * most `maxWrite` bytes between two flushes. False when the connection is broken.
   */
  write (from: Address, length: number): boolean {
    this.#attach()
    if (openssl().SSL_write(this.#ssl, from, length) === length) return true
    // The buffer takes any permitted amount, so whatever it was, the connection cannot go on.
    this.#fails('write')
    return false
  }

  /** As `write` and `flush`; but a single record goes to the socket directly, which spares the way through the buffer. */
  send (from: Address, length: number): number {
    if (length <= recordBytes && this.#buffer === undefined) {
      const result = openssl().SSL_write(this.#ssl, from, length)
      if (result === length) return done
      if (this.#settle('write', result) !== wantsWrite) return this.#fails('write')
      // The socket is full, and OpenSSL holds the record: the same call again puts what is left of it into the buffer.
    }
    return this.write(from, length) ? this.flush() : broken
  }

  /** Sends what is encrypted: `done`, `wantsWrite` (call again when the socket is writable), `broken`. */
  flush (): number {
    if (this.#buffer === undefined) return done
    const result = this.#buffer.flush()
    if (result === 'blocked') return wantsWrite
    if (result === 'done') { this.#detach(); return done }
    return this.#fails('write')
  }

  /** Puts close_notify into the buffer, if the connection can still say it. */
  sayClose (): void {
    this.#attach()
    openssl().SSL_shutdown(this.#ssl)
    openssl().ERR_clear_error()
  }

  /** The ALPN name that was agreed on; empty when none was. */
  get protocol (): string {
    const ssl = openssl()
    ssl.SSL_get0_alpn_selected(this.#ssl, room.address, room.at(countAt))
    const length = new DataView(room.bytes.buffer).getUint32(countAt, true)
    return Buffer.from(copy(Number(new BigUint64Array(room.bytes.buffer)[0]), Math.min(length, 255))).toString('latin1')
  }

  /** RFC 8446, 7.5, without a context. */
  export (label: string, length: number): Uint8Array {
    const out = new Uint8Array(length)
    if (openssl().SSL_export_keying_material(this.#ssl, out, length, label, label.length, 0, 0, 0) !== 1) throw takeError('export')
    return out
  }

  /** The certificates that the peer has shown, leaf first, in DER; empty when it showed none. */
  peerChain (): Uint8Array[] {
    const chain = this.#peerCertificates().map(derOf)
    // A client's stack holds the leaf too, a server's does not.
    return chain[0] !== undefined && chain[1] !== undefined && Buffer.compare(chain[0], chain[1]) === 0 ? chain.slice(1) : chain
  }

  close (): void {
    if (this.#pointer === 0) return
    strikeLive(this)
    this.#detach()
    openssl().SSL_free(this.#pointer) // and the BIO that it holds
    this.#pointer = 0 as Ssl // NULL
  }

  [Symbol.dispose] (): void { this.close() }

  /** Throws after `close`: OpenSSL would read freed memory, or what is another connection's by now. */
  get #ssl (): Ssl {
    if (this.#pointer === 0) throw new Error('the TLS connection is closed')
    return this.#pointer
  }

  /** The leaf, and then the stack of what has come. */
  #peerCertificates (): X509[] {
    const ssl = openssl()
    const leaf = ssl.SSL_get0_peer_certificate(this.#ssl)
    if (leaf === 0) return []
    const stack = ssl.SSL_get_peer_cert_chain(this.#ssl)
    const count = stack === 0 ? 0 : Math.min(ssl.OPENSSL_sk_num(stack), maxChain)
    return [leaf, ...Array.from({ length: count }, (_, i) => ssl.OPENSSL_sk_value(stack, i))]
  }

  /**
   * After the handshake nobody needs the keys of the exchange, which OpenSSL would keep as long as the connection: forward
   * secrecy is better without them, and those of ML-KEM take 8 KB. Nor those that the peer's certificates have beside
   * their encoding, a kilobyte each.
   */
  #forgetKeys (): void {
    const ssl = openssl()
    this.#keys = undefined
    forgetKeyExchange(this.#ssl)
    for (const certificate of this.#peerCertificates()) forget(ssl.X509_get0_pubkey(certificate))
  }

  /** One step of the handshake, which is over when it gives `success`. */
  #advance (step: () => number, success: number): number {
    this.#attach()
    openssl().ERR_clear_error() // certificates and keys were looked at meanwhile, by calls that may leave something in the queue
    const result = withKeys(this.#keys ?? {}, step)
    const said = result === success ? done : this.#settle('handshake', result)
    const flushed = this.flush()
    return flushed === broken ? broken : said
  }

  #attach (): void {
    if (this.#buffer !== undefined) return
    this.#buffer = this.#buffers.take()
    openssl().SSL_set0_wbio(this.#ssl, this.#buffer.lend(this.#fd))
  }

  #detach (): void {
    if (this.#buffer === undefined) return
    const ssl = openssl()
    ssl.BIO_up_ref(this.#direct)
    ssl.SSL_set0_wbio(this.#ssl, this.#direct) // drops the reference to the buffer
    this.#buffers.give(this.#buffer)
    this.#buffer = undefined
  }

  /** Keeps the first reason. The queue of this thread is emptied in any case: SSL_get_error of another connection looks at it (SSL_get_error(3)). */
  #fails (what: string, error = takeError(what)): typeof broken {
    this.#error ??= error
    openssl().ERR_clear_error()
    return broken
  }

  /** What a failed call means; takes the reason from the queue of this thread. */
  #settle (what: string, result: number): number {
    const ssl = openssl()
    const errno = lastErrno() // before another call overwrites it
    switch (ssl.SSL_get_error(this.#ssl, result)) {
      case SSL_ERROR_WANT_READ: return wantsRead
      case SSL_ERROR_WANT_WRITE: return wantsWrite
      case SSL_ERROR_ZERO_RETURN: return closed
      case SSL_ERROR_SYSCALL: {
        if (errno === 0) return this.#fails(what)
        const { code } = new SysError(what, errno)
        return this.#fails(what, new OpenSslError(what, code, code))
      }
      default: return this.#fails(what)
    }
  }
}

/** For calls that want a place for a few bytes, and one for their number. */
const countAt = 8
const room = new Memory(countAt + 8)
/** What is said early; to make memory for each would cost more than to copy it. */
const words = new Memory(256)

/** i2d functions take the address of a pointer, which they move. */
function derOf (certificate: X509): Uint8Array {
  const ssl = openssl()
  const length = ssl.i2d_X509(certificate, 0)
  if (length <= 0) throw takeError('i2d_X509')
  return withMemory(length, der => {
    new BigUint64Array(room.bytes.buffer)[0] = BigInt(der.address)
    ssl.i2d_X509(certificate, room.address)
    return der.bytes
  })
}

function copy (from: number, length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0)
  return withMemory(length, ({ address, bytes }) => {
    openssl().memcpy(address, from, length)
    return bytes
  })
}
