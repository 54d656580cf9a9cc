/**
 * Calls on descriptors that the relay makes for every few kilobytes: no exceptions, no objects.
 *
 * Each returns what the kernel returns, or the negative errno (`-errnos.EAGAIN`). Nothing here blocks.
 */

import { constants } from 'node:os'
import * as koffi from 'koffi'
import { SysError } from './error.ts'
import { getOption, options } from './sockopt.ts'
import type { Address } from './memory.ts'

const library = koffi.load('libc.so.6')

const raw = {
  recv: library.func('int64 recv(int fd, uintptr_t buffer, size_t length, int flags)') as (fd: number, buffer: Address, length: number, flags: number) => number,
  send: library.func('int64 send(int fd, uintptr_t buffer, size_t length, int flags)') as (fd: number, buffer: Address, length: number, flags: number) => number,
  splice: library.func('int64 splice(int from, uintptr_t offset, int to, uintptr_t offset2, size_t length, uint flags)') as
    (from: number, offset: 0, to: number, offset2: 0, length: number, flags: number) => number,
  shutdown: library.func('int shutdown(int fd, int how)') as (fd: number, how: number) => number,
  accept4: library.func('int accept4(int fd, uintptr_t address, uintptr_t length, int flags)') as (fd: number, address: Address, length: Address, flags: number) => number,
  connect: library.func('int connect(int fd, const void *address, uint length)') as (fd: number, address: Uint8Array, length: number) => number,
  // The casts above are the declarations of the C prototypes beside them: koffi returns untyped functions.
}

/** The errnos that are not failures of ours, and the ones that we tell apart. */
export const errnos = constants.errno

/** splice.h, sys/socket.h */
const SPLICE_F_MOVE = 1
const SPLICE_F_NONBLOCK = 2
const SHUT_WR = 1
const MSG_NOSIGNAL = 0x4000
const SOCK_NONBLOCK_CLOEXEC = 0o2004000

/** Reads from a socket: by recv(2), which spares what read(2) does for files. */
export function read (fd: number, to: Address, length: number): number {
  return settle(raw.recv(fd, to, length, 0))
}

/** Writes to a socket, by send(2); a closed peer is EPIPE. */
export function write (fd: number, from: Address, length: number): number {
  return settle(raw.send(fd, from, length, MSG_NOSIGNAL))
}

/** splice(2) between a pipe and a socket, without waiting. */
export function splice (from: number, to: number, length: number): number {
  return settle(raw.splice(from, 0, to, 0, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK))
}

/** Sends a FIN after what is queued. */
export function shutdownWrite (fd: number): number {
  return settle(raw.shutdown(fd, SHUT_WR))
}

/** accept4(2), non-blocking and closed on exec; the peer's address goes to `address`, its length to the 4 bytes at `length`. */
export function accept (fd: number, address: Address, length: Address): number {
  return settle(raw.accept4(fd, address, length, SOCK_NONBLOCK_CLOEXEC))
}

/** connect(2); -EINPROGRESS is what a non-blocking one says. `address` is a sockaddr. */
export function connect (fd: number, address: Uint8Array): number {
  return settle(raw.connect(fd, address, address.length))
}

/** SO_ERROR, taken: the negative errno that ended the connection, or 0. */
export function errorOf (fd: number): number {
  try {
    return 0 - getOption(fd, options.error)
  } catch (error) {
    if (error instanceof SysError) return -error.errno
    throw error
  }
}

/** The name of a negative result, e.g. `ECONNRESET`. */
export function nameOfErrno (result: number): string {
  return new SysError('', -result).code
}

function settle (result: number): number {
  // An errno that somebody has cleared in between must not make a failure look like the end of a stream.
  return result < 0 ? -(koffi.errno() || errnos.EIO) : result
}
