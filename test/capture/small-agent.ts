/** The smallest agent: takes captured connections, dials on, and copies bytes. It judges nothing. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { StreamConnection } from '../../src/relay/streams/connection.ts'
import { dial } from '../../src/relay/streams/dial.ts'
import { resetSocket } from '../../src/sys/index.ts'
import { backlog, noExclusions, peerAnswers, peerSpeaks } from '../../src/capture/index.ts'
import type { Socket } from 'node:net'
import type { Capture, Connect, Exclusions, PodCapture } from '../../src/capture/index.ts'
import type { Place } from './world.ts'

/** Connects a dialer by Node; the socket is paused. */
export const connectSocket: Connect<Socket> = (dialer, to) => dial(dialer, to, AbortSignal.timeout(10_000))

export class SmallAgent {
  readonly pod: PodCapture
  /** Local ports of the dials to the application. */
  readonly podPorts = new Set<number>()
  /** Local port of each dial to the wire. */
  readonly wirePorts: number[] = []
  /** What was captured: `inbound|outbound client -> destination`. */
  readonly seen: string[] = []
  /** Inbound: did the SYN speak? */
  readonly spoke: boolean[] = []
  /** Outbound: did an agent answer? */
  readonly answered: boolean[] = []
  readonly #stops: (() => void)[] = []

  private constructor (pod: PodCapture) {
    this.pod = pod
  }

  static async start (capture: Capture, place: Place, exclude: Exclusions = noExclusions): Promise<SmallAgent> {
    const agent = new SmallAgent(await capture.open({ netns: place.name, name: place.name, exclude }))
    const { inbound, outbound } = agent.pod.listeners
    for (const fd of inbound) await agent.#accept(fd.release(), socket => agent.#serveInbound(socket))
    for (const fd of outbound) await agent.#accept(fd.release(), socket => agent.#serveOutbound(socket))
    await agent.pod.arm()
    return agent
  }

  /** Stops as a process that dies: listeners and connections are gone, rules stay. */
  die (): void {
    this.pod.release()
    for (const stop of this.#stops) stop()
  }

  async disarm (): Promise<void> {
    for (const stop of this.#stops) stop()
    await this.pod.disarm()
  }

  async #accept (fd: number, serve: (socket: Socket) => Promise<void>): Promise<void> {
    const sockets = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      serve(socket).catch(() => { resetSocket(socket) })
    })
    server.listen({ fd, backlog })
    await once(server, 'listening')
    this.#stops.push(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
  }

  async #serveInbound (socket: Socket): Promise<void> {
    const fd = new StreamConnection(socket).descriptor
    if (fd !== undefined) this.spoke.push(peerSpeaks(fd))
    const { client, to } = this.#ends('inbound', socket)
    socket.once('close', this.pod.serving(client, to))
    const app = await this.pod.dialPod(client, to, connectSocket)
    this.podPorts.add(app.localPort ?? 0)
    copy(socket, app)
  }

  async #serveOutbound (socket: Socket): Promise<void> {
    const { client, to } = this.#ends('outbound', socket)
    const wire = await this.pod.dialOut(client.ip, to, connectSocket)
    this.wirePorts.push(wire.localPort ?? 0)
    const fd = new StreamConnection(wire).descriptor
    if (fd !== undefined) this.answered.push(peerAnswers(fd))
    copy(socket, wire)
  }

  #ends (direction: string, socket: Socket) {
    const connection = new StreamConnection(socket)
    const client = connection.remote
    const to = this.pod.originalDestination(connection)
    if (to === undefined) throw new Error('not captured')
    this.seen.push(`${direction} ${client.ip.text} -> ${to.ip.text} ${to.port}`)
    return { client, to }
  }
}

/** Both directions, half-close and reset kept. */
function copy (a: Socket, b: Socket): void {
  for (const [from, to] of [[a, b], [b, a]] as const) {
    from.on('error', () => { resetSocket(to) })
    from.on('close', failed => { if (failed) resetSocket(to); else if (!to.writableFinished) to.destroy() })
    from.pipe(to)
  }
}
