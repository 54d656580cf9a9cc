/** Pipes for splice(2): bytes pass from socket to socket as pages, without ever being in user space. */

import * as koffi from 'koffi'
import { noteLive, strikeLive } from './census.ts'
import { Fd } from './fd.ts'
import { call } from './libc.ts'

const library = koffi.load('libc.so.6')

const raw = {
  pipe2: library.func('int pipe2(void *ends, int flags)') as (ends: Uint8Array, flags: number) => number,
  // fcntl(2) is variadic in C; for integers the calling convention of both platforms is the same.
  fcntl: library.func('int fcntl(int fd, int command, int argument)') as (fd: number, command: number, argument: number) => number,
}

const CLOEXEC_NONBLOCK = 0o2004000
/** linux/fcntl.h */
const F_SETPIPE_SZ = 1031
/** /proc/sys/fs/pipe-max-size by default; beyond `pipe-user-pages-soft` the kernel refuses and we go on with 64 KiB. */
const wantedBytes = 1024 * 1024
const defaultBytes = 64 * 1024

/** A pipe; both ends have one owner, this. */
export class Pipe implements Disposable {
  readonly #out: Fd
  readonly #in: Fd
  /** How many bytes it may hold, if they come in whole pages. */
  readonly capacity: number

  /** Throws `SysError` (EMFILE, ENFILE). */
  constructor () {
    const ends = new Int32Array(2)
    call('pipe2', () => raw.pipe2(new Uint8Array(ends.buffer), CLOEXEC_NONBLOCK))
    const [out = -1, into = -1] = ends
    this.#out = new Fd(out)
    this.#in = new Fd(into)
    const size = raw.fcntl(into, F_SETPIPE_SZ, wantedBytes)
    this.capacity = size > 0 ? size : defaultBytes
    noteLive(this, 'pipe')
  }

  /** The end to splice from. */
  get from (): number { return this.#out.number }
  /** The end to splice into. */
  get into (): number { return this.#in.number }

  close (): void {
    strikeLive(this)
    this.#out.close()
    this.#in.close()
  }

  [Symbol.dispose] (): void { this.close() }
}
