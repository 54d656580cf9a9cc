/** One captured workload: its listeners, its dials, and how it is let go. */

import { codeOf } from '../lib/error.ts'
import { sameIp } from '../model/address.ts'
import { localAddressOf, openDialer, queuedOn, setMark } from '../sys/index.ts'
import { removeCapture, applyCapture } from './apply.ts'
import { CaptureError } from './error.ts'
import { portsContain } from './exclusions.ts'
import { marks } from './marks.ts'
import { choosePort, overlapsInnerPorts } from './port-choice.ts'
import { PortsInUse, sharedInnerPorts } from './ports-in-use.ts'
import type { IpAddress, IpFamily, OriginalDestination, SocketAddress } from '../model/address.ts'
import type { Fd, Netns, SocketTable } from '../sys/index.ts'
import type { Applied } from './apply.ts'
import type { Exclusions } from './exclusions.ts'
import type { Holder, Standing } from './holders.ts'
import type { InnerPorts } from './ports-in-use.ts'

/** The sockets that take captured connections; each is for one family. They listen already. */
export interface Listeners {
  /** Connections that arrive for the workload. */
  readonly inbound: readonly Fd[]
  /** Connections that the workload opens. */
  readonly outbound: readonly Fd[]
}

/**
 * Connects a dialer, which it takes over in any case. Rejects with an error whose `code` is an errno; `EADDRNOTAVAIL`
 * and `EADDRINUSE` make us try another port.
 */
export type Connect<T> = (dialer: Fd, to: SocketAddress) => Promise<T>

/** What `Capture` has made ready for a workload. */
export interface PodCaptureParts {
  readonly netns: Netns
  readonly listeners: Listeners
  /** The listeners once more: they are given away, and still have to be told to refuse. */
  readonly handles: readonly Fd[]
  readonly families: readonly IpFamily[]
  readonly exclude: Exclusions
  /** Of this agent. */
  readonly id: string
  /** What stood in the namespace when it was opened. */
  readonly standing: Standing
  /** Other agents that live and hold the namespace. */
  readonly others: readonly string[]
  /** Sockets of the namespace, where there are others: whose clients use which port only the kernel knows. */
  readonly otherSockets: SocketTable | undefined
  /** Everything that is to be closed when the capture ends one way or the other. */
  readonly ends: DisposableStack
}

/** What a dial to the application in a client's name takes, for whoever makes it in our place. */
export interface InnerDial {
  /** Of the workload; whoever is given it closes it. */
  readonly netns: Fd
  readonly mark: number
  readonly source: IpAddress
  readonly to: SocketAddress
  readonly ports: InnerPorts
}

/** How often another port is tried when the kernel says that a 4-tuple is in use. */
const mostPorts = 32

/** Where dials to the wire take their ports: apart from those that the agent at the other end uses (`innerPorts`). */
const wirePorts = [32768, 65535] as const

/** Who holds a workload besides us: nobody that lives, an agent that started before us, or one after us. */
export type Neighbour = 'nobody' | 'earlier' | 'later'

export class PodCapture {
  readonly listeners: Listeners
  /** When it was opened. */
  readonly neighbour: Neighbour
  readonly #parts: PodCaptureParts
  readonly #self: Holder
  readonly #own: readonly SocketAddress[]
  #exclude: Exclusions
  readonly #inUse = new PortsInUse()
  #ended = false
  #work: Promise<unknown> = Promise.resolve()

  constructor (parts: PodCaptureParts) {
    this.#parts = parts
    this.listeners = parts.listeners
    this.#exclude = parts.exclude
    const [inbound, outbound] = [parts.listeners.inbound, parts.listeners.outbound].map(fds => fds.map(fd => localAddressOf(fd.number)))
    this.#self = { id: parts.id, inbound: inbound ?? [], outbound: outbound ?? [] }
    this.#own = [...this.#self.inbound, ...this.#self.outbound]
    this.neighbour = parts.others.some(id => id > parts.id) ? 'later' : parts.others.length > 0 ? 'earlier' : 'nobody'
  }

  /**
   * Loads the rules: from now on everything is judged or held. Takes over from agents that started before. When it fails
   * after the rules are in force they stay: the workload is then under guard, not free. Throws `CaptureError`.
   */
  arm (): Promise<Applied> {
    return this.#next(() => this.#apply(this.#exclude, this.#parts.standing))
  }

  /**
   * Takes no new connection from now on: SYNs are held, or go to another agent that the rules name. What the kernel has
   * begun to accept goes on, and waits in the listeners' queues.
   */
  refuseNew (): void {
    for (const fd of this.#parts.handles) if (fd.isOpen) setMark(fd.number, 0)
  }

  /** Connections that the kernel has accepted and nobody has taken from it yet. */
  get queued (): number {
    return this.#parts.handles.reduce((sum, fd) => sum + (fd.isOpen ? queuedOn(fd.number) : 0), 0)
  }

  /**
   * Where a captured connection was going, from the local address of the accepted socket. `undefined` for one that
   * was addressed to a listener of ours itself: it was never captured, refuse it.
   */
  originalDestination ({ local }: { readonly local: SocketAddress }): OriginalDestination | undefined {
    return this.#own.some(own => own.port === local.port && sameIp(own.ip, local.ip)) ? undefined : local
  }

  /**
   * Holds the port of a client whose inbound connection is served, until the returned function is called: no dial in
   * a client's name takes it meanwhile.
   */
  serving (client: SocketAddress, to: SocketAddress): () => void {
    return this.#inUse.enter(client, to)
  }

  /**
   * Dials the wire in the workload's name: from `source`, its own address, and a port of ours. Rejects with what
   * `connect` rejects with. The SYN says that an agent speaks, where discovery runs.
   */
  async dialOut<T> (source: IpAddress, to: SocketAddress, connect: Connect<T>): Promise<T> {
    const bind = { ip: source, transparent: true, portRange: wirePorts }
    return await connect(this.#open(source.family, marks.wire, bind), to)
  }

  /**
   * Dials the application from the client's address, with a port of ours: neither the client's, nor one that another
   * client of that address uses towards `to` in a connection that is served now (`serving`). Rejects with what
   * `connect` rejects with, or `no-free-port`.
   */
  async dialPod<T> (client: SocketAddress, to: SocketAddress, connect: Connect<T>): Promise<T> {
    const tried = new Set([client.port])
    const taken = (port: number): boolean =>
      tried.has(port) || portsContain(this.#exclude.outboundPorts, port) ||
      this.#inUse.has(client.ip, port, to) || this.#parts.otherSockets?.has(to, { ip: client.ip, port }) === true
    for (let i = 0; i < mostPorts; i++) {
      const port = choosePort(taken, Math.random())
      if (port === undefined) break
      tried.add(port)
      try {
        return await connect(this.#open(client.ip.family, marks.pod, { ip: client.ip, port, transparent: true }), to)
      } catch (error) {
        if (!portIsTaken(error)) throw error
      }
    }
    throw new CaptureError('no-free-port', `no port of ${client.ip.text} is free for another connection to port ${to.port}`)
  }

  /**
   * What `dialPod` would do, for others to do. `undefined` where only we know which ports are free (beside another agent,
   * and where ports are excluded that a dial could take), and where there is no descriptor for it.
   */
  innerDial (client: SocketAddress, to: SocketAddress): InnerDial | undefined {
    const isSafe = !this.#ended && this.#parts.otherSockets === undefined && !this.#exclude.outboundPorts.some(overlapsInnerPorts)
    if (!isSafe) return undefined
    try {
      return { netns: this.#parts.netns.duplicate(), mark: marks.pod, source: client.ip, to, ports: sharedInnerPorts }
    } catch {
      return undefined
    }
  }

  /** Changes what is excluded; connections that are there keep what they have. Throws `CaptureError`. */
  exclude (exclude: Exclusions): Promise<Applied> {
    return this.#next(async () => {
      const applied = await this.#apply(exclude)
      this.#exclude = exclude
      return applied
    })
  }

  /**
   * Lets the workload go: rules, routes and settings are as before, unless a later agent holds it, and our listeners are
   * closed. Live connections are not touched here; without the rules those to the application break, so end them before.
   */
  disarm (): Promise<Applied> {
    return this.#next(async () => {
      if (this.#ended) return 'here'
      const applied = await removeCapture(this.#parts.netns, this.#self.id)
      this.#end()
      return applied
    })
  }

  /** Closes our descriptors and keeps the rules: from now on new connections are held, in and out (the guard). */
  release (): void {
    if (!this.#ended) this.#end()
  }

  async #apply (exclude: Exclusions, standing?: Standing): Promise<Applied> {
    this.#assertHeld()
    const { netns, families } = this.#parts
    return await applyCapture(netns, { self: this.#self, families, exclude, standing })
  }

  #open (family: IpFamily, mark: number, bind: Parameters<typeof openDialer>[0]['bind'] & object): Fd {
    this.#assertHeld()
    return this.#parts.netns.run<Fd>(() => openDialer({ family, mark, bind }))
  }

  #assertHeld (): void {
    if (this.#ended) throw new CaptureError('disarmed', 'the workload was let go')
  }

  #end (): void {
    this.#ended = true
    this.#parts.ends.dispose()
  }

  /** One change of the namespace at a time. */
  #next<T> (task: () => Promise<T>): Promise<T> {
    const result = this.#work.then(task, task)
    this.#work = result.catch(() => undefined)
    return result
  }
}

function portIsTaken (error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EADDRNOTAVAIL' || code === 'EADDRINUSE'
}
