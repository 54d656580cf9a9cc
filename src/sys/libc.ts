/**
 * The C library, as far as we use it; the only file that calls through FFI.
 *
 * Every call is synchronous and short, none blocks: sockets are non-blocking from birth. Layouts are those of
 * Linux on little-endian 64 bit (x86-64 and arm64), which `assertPlatform` checks once.
 */

import { arch, endianness } from 'node:os'
import * as koffi from 'koffi'
import { SysError } from './error.ts'

assertPlatform()

const library = koffi.load('libc.so.6')

/** Raw calls: they return what libc returns, -1 for an error. Use `call` around them. */
export const libc = {
  setns: library.func('int setns(int fd, int type)') as (fd: number, type: number) => number,
  unshare: library.func('int unshare(int flags)') as (flags: number) => number,
  open: library.func('int open(const char *path, int flags)') as (path: string, flags: number) => number,
  // fcntl(2) and syscall(2) are variadic in C; for integers and pointers the calling convention of both platforms is the same.
  fcntl: library.func('int fcntl(int fd, int command, int argument)') as (fd: number, command: number, argument: number) => number,
  close: library.func('int close(int fd)') as (fd: number) => number,
  socket: library.func('int socket(int domain, int type, int protocol)') as (domain: number, type: number, protocol: number) => number,
  bind: library.func('int bind(int fd, const void *address, unsigned int length)') as (fd: number, address: Uint8Array, length: number) => number,
  listen: library.func('int listen(int fd, int backlog)') as (fd: number, backlog: number) => number,
  send: library.func('long send(int fd, const void *bytes, unsigned long length, int flags)') as (fd: number, bytes: Uint8Array, length: number, flags: number) => number,
  recv: library.func('long recv(int fd, void *bytes, unsigned long length, int flags)') as (fd: number, bytes: Uint8Array, length: number, flags: number) => number,
  // Addresses of `Memory`: bytes that V8 holds inside its heap would have to leave it first, at each call.
  getsockname: library.func('int getsockname(int fd, uintptr_t address, uintptr_t length)') as (fd: number, address: number, length: number) => number,
  setsockopt: library.func('int setsockopt(int fd, int level, int name, uintptr_t value, unsigned int length)') as
    (fd: number, level: number, name: number, value: number, length: number) => number,
  getsockopt: library.func('int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)') as
    (fd: number, level: number, name: number, value: number, length: number) => number,
  syscall: library.func('long syscall(long number, long a, void *b, unsigned long c)') as
    (number: number, a: number, b: Uint8Array, c: number) => number,
  // The casts above are the declarations of the C prototypes beside them: koffi returns untyped functions.
}

/** Runs one raw call and turns -1 into a `SysError`; `what` names the argument that matters. */
export function call (syscall: string, run: () => number, what = ''): number {
  const result = run()
  if (result < 0) throw new SysError(syscall, koffi.errno(), what)
  return result
}

/** The address of the bytes, for structures that hold pointers. The caller keeps `bytes` alive until the call is over. */
export function addressOf (bytes: Uint8Array): bigint {
  return koffi.address(bytes)
}

/** errno of the last call of this thread. */
export function lastErrno (): number {
  return koffi.errno()
}

function assertPlatform (): void {
  if (process.platform === 'linux' && endianness() === 'LE' && ['x64', 'arm64'].includes(arch())) return
  throw new Error(`liburna runs on Linux on x64 or arm64, not on ${process.platform} ${arch()}`)
}
