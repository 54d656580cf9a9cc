/**
 * Namespaces joined by veth pairs, with sockets of this process in them: a world without agents but the small one
 * of `small-agent.ts`. Everything is removed when the world is disposed of, also after a failed test.
 */

import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { promisify } from 'node:util'
import { eventually } from '../fixtures/eventually.ts'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { parseCidr } from '../../src/model/cidr.ts'
import { localAddressOf, Netns, openDialer, openListener } from '../../src/sys/index.ts'
import type { Server, SocketConstructorOpts } from 'node:net'
import type { Cidr } from '../../src/model/cidr.ts'
import type { IpFamily } from '../../src/model/address.ts'

const run = promisify(execFile)
let count = 0
removeStale()

/** What test processes that were killed left behind. */
function removeStale (): void {
  for (const name of existsSync('/run/netns') ? readdirSync('/run/netns') : []) {
    const pid = /^lbc(\d+)x/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) execFileSync('ip', ['netns', 'del', name])
  }
}

/** Runs a command line of plain words. */
export async function sh (line: string): Promise<string> {
  const [command = '', ...args] = line.split(' ')
  return (await run(command, args)).stdout
}

/** One namespace with an application's point of view: its sockets carry no mark. */
export class Place {
  readonly name: string
  readonly netns: Netns
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()

  constructor (name: string) {
    this.name = name
    this.netns = Netns.open(name)
  }

  /** Runs commands inside, in a shell; fails with the first that fails. */
  async sh (...lines: readonly string[]): Promise<string> {
    return (await run('nsenter', [`--net=/run/netns/${this.name}`, 'sh', '-ec', lines.join('\n')])).stdout
  }

  /** Loads rules inside. */
  async nft (rules: string): Promise<void> {
    await this.sh(`nft '${rules}'`)
  }

  /** A server of the application. It keeps the remote ports of all it accepts in `remotePorts`. */
  async serve (host: string, port: number, serve: (socket: Socket) => void): Promise<AppServer> {
    const fd = this.netns.run(() => openListener({ address: socketAddress(host, port) }))
    const address = localAddressOf(fd.number)
    const remotes: string[] = []
    const server = createServer({ allowHalfOpen: true }, socket => {
      this.#keep(socket)
      remotes.push(`${socket.remoteAddress ?? ''} ${socket.remotePort ?? ''}`)
      serve(socket)
    })
    this.#servers.push(server)
    server.listen({ fd: fd.release(), backlog: 4096 })
    await once(server, 'listening')
    return { port: address.port, remotes, server }
  }

  /** Connects as an application does; resolves when connected. Rejects with Node's error, or ETIMEDOUT after `withinMs`. */
  dial (host: string, port: number, { from, device, withinMs = 10_000 }: DialWith = {}): Promise<Socket> {
    const family: IpFamily = host.includes(':') ? 6 : 4
    const bind = from === undefined ? {} : { bind: { ip: ipFrom(from[0]), port: from[1] } }
    const fd = this.netns.run(() => openDialer({ family, ...bind, ...device === undefined ? {} : { device } }))
    return new Promise((resolve, reject) => {
      const socket = new Socket({ fd: fd.release(), manualStart: true, allowHalfOpen: true } as SocketConstructorOpts) // not in the types
      this.#keep(socket)
      const timer = setTimeout(() => { socket.destroy(Object.assign(new Error('not in time'), { code: 'ETIMEDOUT' })) }, withinMs)
      socket.once('error', error => { clearTimeout(timer); reject(error) })
      socket.connect({ host, port }, () => { clearTimeout(timer); resolve(socket) })
    })
  }

  /**
   * Counts the packets that `match` describes where they are delivered to sockets of this namespace (`input`) or
   * arrive (`prerouting`, before any rules of ours). Resolves with a function that tells the count.
   */
  async count (hook: 'input' | 'prerouting', match: string): Promise<() => Promise<number>> {
    const table = `count${count++}`
    await this.nft(`table inet ${table} { chain c { type filter hook ${hook} priority -400; ${match} counter; }; }`)
    return async () => Number(/packets (\d+)/.exec(await this.sh(`nft list table inet ${table}`))?.[1])
  }

  close (): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
    this.netns.close()
  }

  /** Tests break connections on purpose; what matters they ask for. */
  #keep (socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

export interface DialWith {
  readonly from?: readonly [address: string, port: number]
  /** SO_BINDTODEVICE. */
  readonly device?: string
  readonly withinMs?: number
}

export interface AppServer {
  readonly port: number
  /** `address port` of each accepted connection. */
  readonly remotes: string[]
  readonly server: Server
}

export class World implements AsyncDisposable {
  readonly #places: Place[] = []

  /** A new namespace with `lo` up. */
  async place (): Promise<Place> {
    const name = `lbc${process.pid}x${count++}`
    await sh(`ip netns add ${name}`)
    const place = new Place(name)
    this.#places.push(place)
    await place.sh('ip link set lo up')
    return place
  }

  /** Joins two namespaces; `a` and `b` are `address/prefix` lists for the two ends of the wire. */
  async join (one: Place, a: readonly string[], other: Place, b: readonly string[]): Promise<void> {
    const name = `e${count++}`
    await sh(`ip link add ${name} netns ${one.name} type veth peer name ${name} netns ${other.name}`)
    const ends = [[one, a], [other, b]] as const
    for (const [place, addresses] of ends) {
      await place.sh(
        `ip link set ${name} addrgenmode none`, // no link-local address that comes later by itself
        ...addresses.map(address => `ip addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`),
        `ip link set ${name} up`,
        `sysctl -qw net.ipv4.neigh.${name}.mcast_solicit=1`, // one second to "nobody has the address", not three
      )
    }
    for (const [place] of ends) await eventually(async () => (await place.sh(`ip -o link show ${name}`)).includes('state UP'))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const place of this.#places) {
      place.close()
      await sh(`ip netns del ${place.name}`)
    }
  }
}

/** Everything the other end sends until it ends; ends our half too. Rejects when the connection breaks. */
export async function readAll (socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket) text += String(chunk)
  socket.end()
  return text
}

/** How the socket ended: `end`, or the code of the error. */
export function ending (socket: Socket): Promise<string> {
  return new Promise(resolve => {
    socket.once('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message) })
    socket.once('end', () => { resolve('end') })
    socket.resume()
  })
}

export function cidrOf (text: string): Cidr {
  const cidr = parseCidr(text)
  if (cidr === undefined) throw new TypeError(text)
  return cidr
}

export const greet = (socket: Socket): void => { socket.end(`hello ${socket.remoteAddress ?? ''}`) }
export const hold = (socket: Socket): void => { socket.write('held') }
/** Long enough for two SYNs (the second after one second), short enough to wait for. */
export const heldMs = 1200

/** A pod and something outside, on one wire. */
export async function wire (world: World): Promise<{ pod: Place, outside: Place }> {
  const [pod, outside] = [await world.place(), await world.place()]
  await world.join(pod, ['10.9.0.1/24', 'fd00::1/64'], outside, ['10.9.0.2/24', 'fd00::2/64'])
  return { pod, outside }
}

/** The error code of a dial, or `connected`. */
export async function fails (dial: Promise<Socket>): Promise<string> {
  return dial.then(socket => { socket.destroy(); return 'connected' }, (error: NodeJS.ErrnoException) => error.code ?? 'error')
}

/** All that capture may change in a namespace. */
export async function stateOf (place: Place): Promise<string[]> {
  return Promise.all([
    'nft list ruleset', 'ip -4 rule', 'ip -6 rule', 'ip -4 route show table all', 'ip -6 route show table all', 'ip -o link',
    'sysctl -a --pattern "^net\\.ipv[46]\\.(tcp_|fwmark_|ip_|conf\\.(all|default|lo)\\.)"',
  ].map(line => place.sh(line)))
}
