/** Socket options by name, each with where its number comes from. */

import { SysError } from './error.ts'
import { lastErrno, libc } from './libc.ts'
import { Memory } from './memory.ts'

interface Option {
  readonly name: string
  readonly level: number
  readonly number: number
}

const SOL_IP = 0
const SOL_SOCKET = 1
const SOL_TCP = 6
const SOL_IPV6 = 41

/** asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h. */
export const options = {
  reuseAddress: { name: 'SO_REUSEADDR', level: SOL_SOCKET, number: 2 },
  error: { name: 'SO_ERROR', level: SOL_SOCKET, number: 4 },
  keepAlive: { name: 'SO_KEEPALIVE', level: SOL_SOCKET, number: 9 },
  urgentInline: { name: 'SO_OOBINLINE', level: SOL_SOCKET, number: 10 },
  linger: { name: 'SO_LINGER', level: SOL_SOCKET, number: 13 },
  device: { name: 'SO_BINDTODEVICE', level: SOL_SOCKET, number: 25 },
  mark: { name: 'SO_MARK', level: SOL_SOCKET, number: 36 },
  transparent4: { name: 'IP_TRANSPARENT', level: SOL_IP, number: 19 },
  bindAddressNoPort: { name: 'IP_BIND_ADDRESS_NO_PORT', level: SOL_IP, number: 24 },
  localPortRange: { name: 'IP_LOCAL_PORT_RANGE', level: SOL_IP, number: 51 }, // Linux 6.3
  v6Only: { name: 'IPV6_V6ONLY', level: SOL_IPV6, number: 26 },
  transparent6: { name: 'IPV6_TRANSPARENT', level: SOL_IPV6, number: 75 },
  info: { name: 'TCP_INFO', level: SOL_TCP, number: 11 },
  noDelay: { name: 'TCP_NODELAY', level: SOL_TCP, number: 1 },
  cork: { name: 'TCP_CORK', level: SOL_TCP, number: 3 },
  keepIdle: { name: 'TCP_KEEPIDLE', level: SOL_TCP, number: 4 },
  saveSyn: { name: 'TCP_SAVE_SYN', level: SOL_TCP, number: 27 },
  savedSyn: { name: 'TCP_SAVED_SYN', level: SOL_TCP, number: 28 },
} as const satisfies Record<string, Option>

/** Longest saved SYN: IPv6 header and extensions (bounded by us) and a TCP header of 60 bytes. */
const savedSynRoom = 512
/** One call of this thread at a time uses it: a value, then its length. */
const scratch = new Memory(savedSynRoom + 4)
const words = new DataView(scratch.bytes.buffer)
const lengthAt = savedSynRoom

/** Sets an option whose value is one 32-bit number. */
export function setOption (fd: number, option: Option, value: number): void {
  words.setUint32(0, value, true)
  setScratch(fd, option, 4)
}

/** Reads an option whose value is one unsigned 32-bit number. */
export function getOption (fd: number, option: Option): number {
  getScratch(fd, option, 4)
  return words.getUint32(0, true)
}

/** SO_MARK of the socket, unsigned. */
export function markOf (fd: number): number {
  return getOption(fd, options.mark)
}

/** Sets SO_MARK; what a listener has accepted already keeps the mark that it had. */
export function setMark (fd: number, mark: number): void {
  setOption(fd, options.mark, mark)
}

/** What `write` writes leaves together, in as few segments as it fits into (tcp(7), TCP_CORK). */
export function inOneGo<T> (fd: number, write: () => T): T {
  setOption(fd, options.cork, 1)
  try {
    return write()
  } finally {
    setOption(fd, options.cork, 0)
  }
}

/** linux/tcp.h, `struct tcp_info`: of a listener, `tcpi_unacked` counts the connections that wait to be accepted. */
const unackedAt = 24

/** Connections in the queue of a listener. */
export function queuedOn (listener: number): number {
  getScratch(listener, options.info, unackedAt + 4)
  return words.getUint32(unackedAt, true)
}

/**
 * The headers of the SYN that opened an accepted socket, from the network header on. The kernel gives them once and
 * then forgets them; empty the second time, and where the listener answered with a SYN cookie.
 */
export function savedSyn (fd: number): Uint8Array {
  return scratch.bytes.slice(0, getScratch(fd, options.savedSyn, savedSynRoom))
}

/**
 * Makes the next close of the socket a reset: no TIME_WAIT stays behind, and unsent data is thrown away. Only for
 * connections whose end both sides know by other means.
 */
export function resetOnClose (fd: number): void {
  words.setUint32(0, 1, true) // struct linger { int on; int seconds }
  words.setUint32(4, 0, true)
  setScratch(fd, options.linger, 8)
}

/** Ties the socket to an interface by name. */
export function setDevice (fd: number, name: string): void {
  const bytes = Buffer.from(`${name}\0`)
  scratch.bytes.set(bytes)
  setScratch(fd, options.device, bytes.length)
}

/** Ports that the kernel may choose from for this socket (Linux 6.3). */
export function setPortRange (fd: number, [low, high]: readonly [number, number]): void {
  setOption(fd, options.localPortRange, (low | high << 16) >>> 0)
}

/** Sets an option to the first `length` bytes of `scratch`. */
function setScratch (fd: number, { name, level, number }: Option, length: number): void {
  if (libc.setsockopt(fd, level, number, scratch.address, length) < 0) throw new SysError('setsockopt', lastErrno(), name)
}

/** Reads an option of at most `room` bytes into `scratch`; its length. */
function getScratch (fd: number, { name, level, number }: Option, room: number): number {
  words.setUint32(lengthAt, room, true)
  if (libc.getsockopt(fd, level, number, scratch.address, scratch.at(lengthAt)) < 0) throw new SysError('getsockopt', lastErrno(), name)
  return words.getUint32(lengthAt, true)
}
