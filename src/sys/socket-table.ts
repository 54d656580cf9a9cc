/**
 * Whether a process of a network namespace has a certain connection, asked of the kernel (sock_diag(7)).
 *
 * Addresses say where a packet claims to come from; NAT can give it any address of the node. A socket with exactly these
 * two ends says that the connection was made *here*.
 *
 *     nlmsghdr           length u32 │ type u16 │ flags u16 │ sequence u32 │ port u32
 *     inet_diag_req_v2   family u8 │ protocol u8 │ ext u8 │ pad u8 │ states u32 │ inet_diag_sockid
 *     inet_diag_sockid   source port u16be │ destination port u16be │ source 16 │ destination 16 │ interface u32 │ cookie 8
 *     inet_diag_msg      family u8 │ state u8 │ timer u8 │ retransmits u8 │ inet_diag_sockid │ …
 */

import { call, libc } from './libc.ts'
import { Fd } from './fd.ts'
import { familyNumber } from './sockaddr.ts'
import type { IpAddress, SocketAddress } from '../model/address.ts'
import type { Netns } from './netns.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const SOCK_NONBLOCK = 0o4000
/** linux/netlink.h, linux/sock_diag.h */
const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const NLM_F_REQUEST = 1
const IPPROTO_TCP = 6

const headerLength = 16
const requestLength = headerLength + 56
/** Where in the sockid a thing is, from the start of the message. */
const requestId = headerLength + 8
const answerId = headerLength + 4
/** net/tcp_states.h: states of a socket that has, or still tries for, another end and a process. SYN_RECV, TIME_WAIT, CLOSE and LISTEN are none. */
const livingStates: ReadonlySet<number> = new Set([1, 2, 4, 5, 8, 9, 11])

export class SocketTable implements Disposable {
  readonly #fd: Fd
  #sequence = 0

  /** Of `netns`, which may be closed afterwards. Throws SysError. */
  constructor (netns: Netns) {
    this.#fd = netns.run<Fd>(() => new Fd(call('socket', () => libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG), 'sock_diag')))
  }

  /** Whether a TCP socket with exactly these ends is open. The kernel answers at once. Throws SysError when it cannot be asked. */
  has (local: SocketAddress, remote: SocketAddress): boolean {
    const sequence = ++this.#sequence
    const request = encodeRequest(local, remote, sequence)
    call('send', () => libc.send(this.#fd.number, request, request.length, 0), 'sock_diag')
    const answer = new Uint8Array(4096)
    // What was asked before may still lie there, if somebody did not take it.
    for (;;) {
      const length = call('recv', () => libc.recv(this.#fd.number, answer, answer.length, 0), 'sock_diag')
      const view = new DataView(answer.buffer, 0, length)
      if (length >= headerLength && view.getUint32(8, true) === sequence) return isLiving(view, local, remote)
    }
  }

  close (): void { this.#fd.close() }
  [Symbol.dispose] (): void { this.close() }
}

function encodeRequest (local: SocketAddress, remote: SocketAddress, sequence: number): Uint8Array {
  const bytes = new Uint8Array(requestLength)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, requestLength, true)
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true)
  view.setUint16(6, NLM_F_REQUEST, true)
  view.setUint32(8, sequence, true)
  view.setUint8(headerLength, familyNumber(local.ip.family))
  view.setUint8(headerLength + 1, IPPROTO_TCP)
  view.setUint32(headerLength + 4, 0xffffffff, true)
  view.setUint16(requestId, local.port)
  view.setUint16(requestId + 2, remote.port)
  writeIp(view, requestId + 4, local.ip)
  writeIp(view, requestId + 20, remote.ip)
  view.setBigUint64(requestId + 40, 0xffffffffffffffffn, true) // INET_DIAG_NOCOOKIE
  return bytes
}

function writeIp (view: DataView, at: number, { words }: IpAddress): void {
  words.forEach((word, i) => { view.setUint32(at + 4 * i, word) })
}

/** Where no connection matches the kernel shows a listener that would take one; that is not what was asked. */
function isLiving (view: DataView, local: SocketAddress, remote: SocketAddress): boolean {
  if (view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY || view.byteLength < answerId + 48) return false
  if (!livingStates.has(view.getUint8(headerLength + 1))) return false
  const wanted = encodeRequest(local, remote, 0).subarray(requestId, requestId + 36)
  const found = new Uint8Array(view.buffer, answerId, 36)
  const used = local.ip.family === 4 ? [[0, 8], [20, 24]] as const : [[0, 36]] as const
  return used.every(([from, to]) => wanted.subarray(from, to).every((byte, i) => byte === found[from + i]))
}
