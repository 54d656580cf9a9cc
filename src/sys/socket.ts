/**
 * TCP sockets made by hand, because Node has no say in marks, transparency and saved SYNs.
 *
 * They are made in the namespace of the calling thread (so inside `Netns.run`) and belong to it for life. All are
 * non-blocking and closed on exec. Node takes them over afterwards: a listener by `server.listen({ fd, backlog })`,
 * a dialer by `new net.Socket({ fd })` and `connect`.
 */

import { formatSocketAddress } from '../model/address.ts'
import { decodeSockaddr, encodeSockaddr, familyNumber, sockaddrBytes } from './sockaddr.ts'
import { SysError } from './error.ts'
import { Fd } from './fd.ts'
import { call, libc } from './libc.ts'
import { Memory } from './memory.ts'
import { options, setDevice, setOption, setPortRange } from './sockopt.ts'
import type { IpAddress, IpFamily, SocketAddress } from '../model/address.ts'

const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const IPPROTO_TCP = 6
/**
 * After so much silence the peer is asked whether it is there. With the kernel's own 9 probes of 75 s an idle connection
 * is given up after 16 minutes, about when one with unanswered data is (tcp_retries2).
 */
const keepIdleSeconds = 300

export interface ListenerOptions {
  /** Port 0 lets the kernel choose; ask `localAddressOf`. */
  readonly address: SocketAddress
  /** SO_MARK; accepted sockets and their SYN-ACKs inherit it. @default 0 */
  readonly mark?: number
  /** Accept connections to addresses that are not ours (TPROXY). Needs CAP_NET_ADMIN. @default false */
  readonly transparent?: boolean
  /** Keep the headers of each SYN for `savedSyn`. @default false */
  readonly saveSyn?: boolean
}

export interface DialerOptions {
  readonly family: IpFamily
  /** SO_MARK, set before the first packet. @default 0 */
  readonly mark?: number
  /** Use only this interface (SO_BINDTODEVICE), whatever the routes say. @default any */
  readonly device?: string
  readonly bind?: {
    readonly ip: IpAddress
    /**
     * 0 lets the kernel choose at connect(2), where it knows the destination (IP_BIND_ADDRESS_NO_PORT). With a fixed
     * port only the whole 4-tuple must be unique: connect(2) answers EADDRNOTAVAIL when it is not, and takes over one
     * in TIME_WAIT that used timestamps. @default 0
     */
    readonly port?: number
    /** Allow an address that is not ours, and let TPROXY find the socket. Needs CAP_NET_ADMIN. @default false */
    readonly transparent?: boolean
    /**
     * Ports to choose from, only the part inside the namespace's ip_local_port_range counts; without effect before
     * Linux 6.3. @default all of that range
     */
    readonly portRange?: readonly [low: number, high: number] | undefined
  }
}

/** A bound socket that does not listen yet: it holds its port, and nobody can connect. Throws `SysError`. */
export function bindListener ({ address, mark = 0, transparent = false, saveSyn = false }: ListenerOptions): Fd {
  return openSocket(address.ip.family, mark, fd => {
    // A fixed port may have old connections in TIME_WAIT. A chosen one stays exclusive, also before it listens.
    if (address.port !== 0) setOption(fd, options.reuseAddress, 1)
    if (address.ip.family === 6) setOption(fd, options.v6Only, 1)
    if (transparent) setTransparent(fd, address.ip.family)
    if (saveSyn) setOption(fd, options.saveSyn, 1)
    bindTo(fd, address)
  })
}

/**
 * Starts to accept into the queue; `backlog` is bounded by net.core.somaxconn. Node repeats it with its own backlog.
 *
 * What is accepted inherits SO_REUSEADDR: with TPROXY an accepted socket holds the port that was dialled, and without
 * it the application could not listen there again (nor, for connections out, on the same number here).
 */
export function listenOn (fd: Fd, backlog: number): void {
  setOption(fd.number, options.reuseAddress, 1)
  call('listen', () => libc.listen(fd.number, backlog))
}

/** `bindListener` and `listenOn` in one. */
export function openListener ({ backlog = 4096, ...rest }: ListenerOptions & { readonly backlog?: number }): Fd {
  const fd = bindListener(rest)
  try {
    listenOn(fd, backlog)
    return fd
  } catch (error) {
    fd.close()
    throw error
  }
}

/** Whether a port of this namespace is another's now, asked by trying it. Throws `SysError` when it cannot be tried. */
export function portIsTaken (address: SocketAddress): boolean {
  try {
    bindListener({ address }).close()
    return false
  } catch (error) {
    if (error instanceof SysError && error.code === 'EADDRINUSE') return true
    throw error
  }
}

/** A socket ready to connect. Throws `SysError`. */
export function openDialer ({ family, mark = 0, device, bind }: DialerOptions): Fd {
  return openSocket(family, mark, fd => {
    if (device !== undefined) setDevice(fd, device)
    if (bind !== undefined) prepareBound(fd, bind)
  })
}

/** sockaddr_in6 is the longest; its length follows. */
const room = new Memory(sockaddrBytes + 4)

/** getsockname(2) as it is, for who passes it on: a sockaddr, perhaps with bytes behind it. Throws `SysError`. */
export function sockaddrOf (fd: number): Uint8Array {
  new DataView(room.bytes.buffer).setUint32(sockaddrBytes, sockaddrBytes, true)
  call('getsockname', () => libc.getsockname(fd, room.address, room.at(sockaddrBytes)))
  return room.bytes.slice(0, sockaddrBytes)
}

/** getsockname(2). Throws `SysError`. */
export function localAddressOf (fd: number): SocketAddress {
  const address = decodeSockaddr(sockaddrOf(fd))
  if (address === undefined) throw new TypeError('the socket is not of an IP family')
  return address
}

function openSocket (family: IpFamily, mark: number, prepare: (fd: number) => void): Fd {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
  const fd = new Fd(call('socket', () => libc.socket(familyNumber(family), type, IPPROTO_TCP)))
  try {
    if (mark !== 0) setOption(fd.number, options.mark, mark)
    prepareTcp(fd.number)
    prepare(fd.number)
    return fd
  } catch (error) {
    fd.close()
    throw error
  }
}

/** What every connection of ours has; accepted sockets inherit it. Why, and why no more: bench/README.md, "Kernel settings". */
function prepareTcp (fd: number): void {
  setOption(fd, options.noDelay, 1)
  setOption(fd, options.urgentInline, 1)
  setOption(fd, options.keepAlive, 1)
  setOption(fd, options.keepIdle, keepIdleSeconds)
}

function prepareBound (fd: number, { ip, port = 0, transparent = false, portRange }: NonNullable<DialerOptions['bind']>): void {
  if (transparent) setTransparent(fd, ip.family)
  setOption(fd, port === 0 ? options.bindAddressNoPort : options.reuseAddress, 1)
  if (portRange !== undefined) preferPorts(fd, portRange)
  bindTo(fd, { ip, port })
}

function preferPorts (fd: number, range: readonly [number, number]): void {
  try {
    setPortRange(fd, range)
  } catch (error) {
    if (!(error instanceof SysError) || error.code !== 'ENOPROTOOPT') throw error
  }
}

function setTransparent (fd: number, family: IpFamily): void {
  setOption(fd, family === 4 ? options.transparent4 : options.transparent6, 1)
}

function bindTo (fd: number, address: SocketAddress): void {
  const bytes = encodeSockaddr(address)
  call('bind', () => libc.bind(fd, bytes, bytes.length), formatSocketAddress(address))
}
