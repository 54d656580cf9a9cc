/** One captured workload: its listeners, its dials, and how it is let go. */

import { codeOf } from '../lib/error.ts'
import { sameIp } from '../model/address.ts'
import { localAddressOf, openDialer } from '../sys/index.ts'
import { removeCapture, applyCapture } from './apply.ts'
import { CaptureError } from './error.ts'
import { portsContain } from './exclusions.ts'
import { marks } from './marks.ts'
import { choosePort } from './port-choice.ts'
import { PortsInUse } from './ports-in-use.ts'
import type { IpAddress, IpFamily, OriginalDestination, SocketAddress } from '../model/address.ts'
import type { Fd, Netns } from '../sys/index.ts'
import type { Exclusions } from './exclusions.ts'

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
  readonly families: readonly IpFamily[]
  readonly exclude: Exclusions
  /** Told once, when the capture ends one way or the other. */
  readonly onEnd: () => void
}

/** How often another port is tried when the kernel says that a 4-tuple is in use. */
const mostPorts = 32

/** Where dials to the wire take their ports: apart from those that the agent at the other end uses (`innerPorts`). */
const wirePorts = [32768, 65535] as const

export class PodCapture {
  readonly listeners: Listeners
  readonly #parts: PodCaptureParts
  readonly #own: readonly SocketAddress[]
  #exclude: Exclusions
  readonly #inUse = new PortsInUse()
  #ended = false
  #work: Promise<unknown> = Promise.resolve()

  constructor (parts: PodCaptureParts) {
    this.#parts = parts
    this.listeners = parts.listeners
    this.#exclude = parts.exclude
    this.#own = [...parts.listeners.inbound, ...parts.listeners.outbound].map(fd => localAddressOf(fd.number))
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
      tried.has(port) || this.#inUse.has(client.ip, port, to) || portsContain(this.#exclude.outboundPorts, port)
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

  /** Changes what is excluded; connections that are there keep what they have. Throws `CaptureError`. */
  exclude (exclude: Exclusions): Promise<void> {
    return this.#next(async () => {
      this.#assertHeld()
      await applyCapture(this.#parts.netns, this.#parts.families, { ...this.#ports(), exclude })
      this.#exclude = exclude
    })
  }

  /**
   * Lets the workload go: rules, routes and settings are as before, and our listeners are closed. Live connections
   * are not touched here; without the rules those to the application break, so end them before.
   */
  disarm (): Promise<void> {
    return this.#next(async () => {
      if (this.#ended) return
      await removeCapture(this.#parts.netns)
      this.#end()
    })
  }

  /** Closes our descriptors and keeps the rules: from now on new connections are held, in and out (the guard). */
  release (): void {
    if (!this.#ended) this.#end()
  }

  #ports (): { readonly inbound: readonly SocketAddress[], readonly outbound: readonly SocketAddress[] } {
    return { inbound: this.#own.slice(0, this.listeners.inbound.length), outbound: this.#own.slice(this.listeners.inbound.length) }
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
    for (const fd of [...this.listeners.inbound, ...this.listeners.outbound]) fd.close()
    this.#parts.netns.close()
    this.#parts.onEnd()
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
