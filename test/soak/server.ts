/** The server application of the soak: plays its part of whichever connection comes. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { play } from './party.ts'
import { planOf } from './plan.ts'
import type { AddressInfo, Server, Socket } from 'node:net'

/** The first bytes of a client: that it is one, and which connection it is. */
const headBytes = 8
const magic = 0x6c696275

/** What the client of connection `id` sends first. */
export function headOf (id: number): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(magic, 0)
  head.writeUInt32BE(id, 4)
  return head
}

export class ServerApplication implements Disposable {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #awaited = new Map<number, PromiseWithResolvers<string | undefined>>()

  private constructor (seed: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, socket => { void this.#serve(socket, seed) })
  }

  static async listen (seed: number): Promise<ServerApplication> {
    const application = new ServerApplication(seed)
    application.#server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
    await once(application.#server, 'listening')
    return application
  }

  get port (): number { return (this.#server.address() as AddressInfo).port } // it listens on TCP

  /** Resolves when this end of connection `id` is over, with what was wrong. Ask before the client connects. */
  async served (id: number): Promise<string | undefined> {
    const awaited = Promise.withResolvers<string | undefined>()
    this.#awaited.set(id, awaited)
    return await awaited.promise
  }

  /** It will not come any more, or hangs. */
  giveUp (id: number, fault: string | undefined): void {
    this.#awaited.get(id)?.resolve(fault)
    this.#awaited.delete(id)
  }

  [Symbol.dispose] (): void {
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
  }

  async #serve (socket: Socket, seed: number): Promise<void> {
    this.#open.add(socket)
    socket.once('close', () => { this.#open.delete(socket) })
    const head = await headFrom(socket)
    if (head !== undefined) this.giveUp(head.id, await play('server', planOf(head.id, seed), socket, head.rest))
  }
}

/**
 * Which connection it is, and what came behind that. `undefined` when it has ended before it said so, as some plans
 * have it: an end is answered, and where a connection should have come somebody waits for it.
 */
function headFrom (socket: Socket): Promise<{ readonly id: number, readonly rest: Buffer } | undefined> {
  return new Promise(resolve => {
    let got = Buffer.alloc(0)
    const settle = (): void => { socket.off('data', hear).off('end', end).off('close', gone).pause() }
    const hear = (bytes: Buffer): void => {
      got = Buffer.concat([got, bytes])
      if (got.length < headBytes) return
      settle()
      if (got.readUInt32BE(0) !== magic) socket.destroy()
      resolve({ id: got.readUInt32BE(4), rest: got.subarray(headBytes) })
    }
    const end = (): void => { settle(); socket.end().resume(); resolve(undefined) }
    const gone = (): void => { resolve(undefined) }
    socket.on('error', () => {})
    socket.on('data', hear).once('end', end).once('close', gone)
  })
}
