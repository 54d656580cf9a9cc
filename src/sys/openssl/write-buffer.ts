/**
 * A buffer between OpenSSL and a socket.
 *
 * OpenSSL writes once per record of 16 KiB; through `BIO_f_buffer` records gather and leave with one write(2) at
 * `flush`. A connection holds a buffer only while something is in it, so idle ones cost nothing.
 */

import { noteLive, strikeLive } from '../census.ts'
import { takeError } from './error.ts'
import { openssl } from './library.ts'
import type { Bio } from './library.ts'

/** Payload of a data frame, its header, and per record of 16 KiB header, type and tag; and room for a control frame. */
export const writeBufferBytes = 272 * 1024
/** bio.h: BIO_C_SET_BUFF_SIZE, BIO_C_SET_FD, BIO_CTRL_RESET, BIO_CTRL_FLUSH, BIO_FLAGS_SHOULD_RETRY. */
const BIO_C_SET_BUFF_SIZE = 117
const BIO_C_SET_FD = 104
const BIO_CTRL_RESET = 1
const BIO_CTRL_FLUSH = 11
const BIO_FLAGS_SHOULD_RETRY = 8
/** The second half of what BIO_set_buffer_size would set: 1 is the write buffer. */
const WRITE_SIDE = 1

export class WriteBuffer implements Disposable {
  #top: Bio
  readonly #socket: Bio

  constructor () {
    const ssl = openssl()
    this.#top = ssl.BIO_new(ssl.BIO_f_buffer())
    this.#socket = ssl.BIO_new(ssl.BIO_s_socket())
    if (this.#top === 0 || this.#socket === 0) throw takeError('BIO_new')
    ssl.BIO_push(this.#top, this.#socket)
    if (ssl.BIO_int_ctrl(this.#top, BIO_C_SET_BUFF_SIZE, writeBufferBytes, WRITE_SIDE) !== 1) throw takeError('BIO_set_write_buffer_size')
    noteLive(this, 'write buffer')
  }

  /** One more reference to the BIO, writing to `fd`, for an SSL to own. */
  lend (fd: number): Bio {
    if (this.#top === 0) throw new Error('the write buffer is closed')
    const ssl = openssl()
    ssl.BIO_int_ctrl(this.#socket, BIO_C_SET_FD, 0, fd) // 0: the descriptor is not the BIO's to close
    ssl.BIO_up_ref(this.#top)
    return this.#top
  }

  /** Writes what is held: 'done', 'blocked' (go on when writable), or 'broken'. */
  flush (): 'done' | 'blocked' | 'broken' {
    const ssl = openssl()
    if (ssl.BIO_ctrl(this.#top, BIO_CTRL_FLUSH, 0, 0) > 0) return 'done'
    return ssl.BIO_test_flags(this.#top, BIO_FLAGS_SHOULD_RETRY) !== 0 ? 'blocked' : 'broken'
  }

  /** Forgets what is held. */
  clear (): void {
    openssl().BIO_ctrl(this.#top, BIO_CTRL_RESET, 0, 0)
  }

  close (): void {
    if (this.#top === 0) return
    strikeLive(this)
    openssl().BIO_free_all(this.#top)
    this.#top = 0 as Bio // NULL
  }

  [Symbol.dispose] (): void { this.close() }
}

/** How many empty buffers are kept for the next who needs one. */
const mostKept = 8

/** The buffers of one thread. */
export class WriteBuffers implements Disposable {
  readonly #free: WriteBuffer[] = []

  take (): WriteBuffer {
    return this.#free.pop() ?? new WriteBuffer()
  }

  /** Takes back a buffer that no SSL refers to any more; what it still holds is forgotten. */
  give (buffer: WriteBuffer): void {
    buffer.clear()
    if (this.#free.length < mostKept) this.#free.push(buffer)
    else buffer.close()
  }

  [Symbol.dispose] (): void { for (const buffer of this.#free.splice(0)) buffer.close() }
}
