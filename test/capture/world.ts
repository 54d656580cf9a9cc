/**
 * Namespaces joined by veth pairs, with sockets of this process in them: a world without agents but the small one
 * of `small-agent.ts`. Everything is removed when the world is disposed of, also after a failed test.
 */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { promisify } from 'node:util'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { parseCidr } from '../../src/model/cidr.ts'
import { localAddressOf, Netns, openDialer, openListener } from '../../src/sys/index.ts'
import type { Server, SocketConstructorOpts } from 'node:net'
import type { Cidr } from '../../src/model/cidr.ts'
import type { IpFamily } from '../../src/model/address.ts'

const run = promisify(execFile)
let count = 0

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

  /** Runs a command inside. */
  async sh (line: string): Promise<string> {
    return sh(`nsenter --net=/run/netns/${this.name} ${line}`)
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
    for (const [place, addresses] of [[one, a], [other, b]] as const) {
      for (const address of addresses) await place.sh(`ip addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`)
      await place.sh(`ip link set ${name} up`)
    }
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
