/** Socket options by name, each with where its number comes from. */

import { SysError } from './error.ts'
import { call, lastErrno, libc } from './libc.ts'

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
  linger: { name: 'SO_LINGER', level: SOL_SOCKET, number: 13 },
  device: { name: 'SO_BINDTODEVICE', level: SOL_SOCKET, number: 25 },
  mark: { name: 'SO_MARK', level: SOL_SOCKET, number: 36 },
  transparent4: { name: 'IP_TRANSPARENT', level: SOL_IP, number: 19 },
  bindAddressNoPort: { name: 'IP_BIND_ADDRESS_NO_PORT', level: SOL_IP, number: 24 },
  localPortRange: { name: 'IP_LOCAL_PORT_RANGE', level: SOL_IP, number: 51 }, // Linux 6.3
  v6Only: { name: 'IPV6_V6ONLY', level: SOL_IPV6, number: 26 },
  transparent6: { name: 'IPV6_TRANSPARENT', level: SOL_IPV6, number: 75 },
  noDelay: { name: 'TCP_NODELAY', level: SOL_TCP, number: 1 },
  saveSyn: { name: 'TCP_SAVE_SYN', level: SOL_TCP, number: 27 },
  savedSyn: { name: 'TCP_SAVED_SYN', level: SOL_TCP, number: 28 },
} as const satisfies Record<string, Option>

/** Longest saved SYN: IPv6 header and extensions (bounded by us) and a TCP header of 60 bytes. */
const savedSynRoom = 512

/** Sets an option whose value is one 32-bit number. */
export function setOption (fd: number, option: Option, value: number): void {
  setBytes(fd, option, uint32(value))
}

/** Reads an option whose value is one unsigned 32-bit number. */
export function getOption (fd: number, option: Option): number {
  const bytes = getBytes(fd, option, 4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
}

/** SO_MARK of the socket, unsigned. */
export function markOf (fd: number): number {
  return getOption(fd, options.mark)
}

/**
 * The headers of the SYN that opened an accepted socket, from the network header on. The kernel gives them once and
 * then forgets them; empty the second time, and where the listener answered with a SYN cookie.
 */
export function savedSyn (fd: number): Uint8Array {
  return getBytes(fd, options.savedSyn, savedSynRoom)
}

/**
 * Makes the next close of the socket a reset: no TIME_WAIT stays behind, and unsent data is thrown away. Only for
 * connections whose end both sides know by other means.
 */
export function resetOnClose (fd: number): void {
  const linger = new Uint8Array(8) // struct linger { int on; int seconds }
  linger[0] = 1
  setBytes(fd, options.linger, linger)
}

/** Ties the socket to an interface by name. */
export function setDevice (fd: number, name: string): void {
  setBytes(fd, options.device, Buffer.from(`${name}\0`))
}

/** Ports that the kernel may choose from for this socket (Linux 6.3). */
export function setPortRange (fd: number, [low, high]: readonly [number, number]): void {
  setOption(fd, options.localPortRange, (low | high << 16) >>> 0)
}

function setBytes (fd: number, { name, level, number }: Option, value: Uint8Array): void {
  call('setsockopt', () => libc.setsockopt(fd, level, number, value, value.length), name)
}

function getBytes (fd: number, { name, level, number }: Option, room: number): Uint8Array {
  const value = new Uint8Array(room)
  const length = uint32(room)
  if (libc.getsockopt(fd, level, number, value, length) < 0) throw new SysError('getsockopt', lastErrno(), name)
  return value.subarray(0, new DataView(length.buffer).getUint32(0, true))
}

function uint32 (value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
