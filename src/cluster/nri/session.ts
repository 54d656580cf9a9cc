/** One connection to the container runtime's NRI socket, from registration until it breaks. */

import { connect } from 'node:net'
import { messageOf } from '../../lib/error.ts'
import { ClusterError } from '../error.ts'
import {
  decodeCall, decodeConfiguration, decodeStateChange, decodeSynchronization, encodeCall, encodeFailure, encodeRegistration, encodeReply,
  encodeSubscription, encodeSynchronized, events, failureIn, pluginService, runtimeService,
} from './messages.ts'
import { connections, encodeMessage, messageTypes, WireReader } from './wire.ts'
import type { Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { Sandbox } from '../kubernetes/sandbox.ts'
import type { Call } from './messages.ts'
import type { Message } from './wire.ts'

/** What is done about sandboxes. */
export interface SandboxHandler {
  /** These there are, and no others. Must not throw. */
  synchronize (sandboxes: readonly Sandbox[]): void
  /**
   * This one has its network, and no container yet; none starts before the promise settles, and none at all when it
   * rejects. `signal` aborts when the runtime will not wait any longer.
   */
  run (sandbox: Sandbox, signal: AbortSignal): Promise<void>
  /** This one ends; its network stays until the promise settles. Must not throw or reject. */
  stop (sandbox: Sandbox): void | Promise<void>
}

export interface SessionOptions {
  readonly socketPath: string
  readonly name: string
  /** Two digits. */
  readonly index: string
  readonly clock: Clock
  readonly handler: SandboxHandler
  /** Called when the runtime has told of what there is. */
  readonly onReady: (runtime: string) => void
}

/** containerd's default `plugin_request_timeout`, ms. */
const requestTimeoutMs = 2000
/** The part of it that we use: a plugin that is late is dropped, and the pod goes on without it. */
const usedPart = 0.75
/** gRPC codes. */
const [unknownError, unimplemented] = [2, 12]

export class NriSession {
  readonly #options: SessionOptions
  readonly #socket: Socket
  readonly #reader = new WireReader()
  readonly #ended = Promise.withResolvers<never>()
  readonly #end = new AbortController()
  #known: Sandbox[] = []
  #runtime = ''
  #deadlineMs = requestTimeoutMs * usedPart

  constructor (options: SessionOptions) {
    this.#options = options
    this.#socket = connect(options.socketPath)
    this.#socket.on('connect', () => { this.#call('RegisterPlugin', encodeRegistration(options.name, options.index)) })
    this.#socket.on('data', bytes => { this.#read(bytes) })
    this.#socket.on('error', error => { this.#finish(new ClusterError(`${options.socketPath}: ${messageOf(error)}`, { code: 'runtime-protocol', cause: error })) })
    this.#socket.on('close', () => { this.#finish(new ClusterError(`${options.socketPath}: the runtime closed the connection`, { code: 'runtime-protocol' })) })
  }

  /** Rejects when the connection is at its end, with why. */
  get ended (): Promise<never> { return this.#ended.promise }

  close (): void { this.#finish(new ClusterError('closed', { code: 'runtime-protocol' })) }

  #finish (why: ClusterError): void {
    this.#end.abort(why)
    this.#socket.destroy()
    this.#ended.reject(why)
  }

  /** There is one call of ours in the life of a connection, so there is one stream. */
  #call (method: string, payload: Uint8Array): void {
    this.#send(connections.runtime, { stream: 1, type: messageTypes.request, data: encodeCall({ service: runtimeService, method, payload }) })
  }

  #send (connection: number, message: Message): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeMessage(connection, message))
  }

  #read (bytes: Uint8Array): void {
    try {
      for (const { connection, message } of this.#reader.read(bytes)) {
        if (connection === connections.plugin && message.type === messageTypes.request) void this.#answer(message)
        else if (connection === connections.runtime && message.type === messageTypes.response) this.#registered(message)
      }
    } catch (error) {
      this.#finish(error instanceof ClusterError ? error : new ClusterError(messageOf(error), { code: 'runtime-protocol', cause: error }))
    }
  }

  #registered ({ data }: Message): void {
    const failure = failureIn(data)
    if (failure !== undefined) throw new ClusterError(`the runtime refuses the plugin: ${failure}`, { code: 'runtime-refused' })
  }

  async #answer ({ stream, data }: Message): Promise<void> {
    const reply = async (): Promise<Uint8Array> => {
      try {
        return encodeReply(await this.#handle(decodeCall(data)))
      } catch (error) {
        return encodeFailure(error instanceof Unimplemented ? unimplemented : unknownError, messageOf(error).slice(0, 1000))
      }
    }
    this.#send(connections.plugin, { stream, type: messageTypes.response, data: await reply() })
  }

  async #handle ({ service, method, payload }: Call): Promise<Uint8Array> {
    if (service !== pluginService) throw new Unimplemented(service)
    switch (method) {
      case 'Configure': return this.#configure(payload)
      case 'Synchronize': return this.#synchronize(payload)
      case 'StateChange': return await this.#change(payload)
      case 'Shutdown': return new Uint8Array() // the connection is closed next
      default: throw new Unimplemented(method)
    }
  }

  #configure (payload: Uint8Array): Uint8Array {
    const { runtime, requestTimeoutMs: ms } = decodeConfiguration(payload)
    this.#runtime = runtime
    if (ms > 0) this.#deadlineMs = ms * usedPart
    return encodeSubscription(Object.values(events))
  }

  #synchronize (payload: Uint8Array): Uint8Array {
    const { sandboxes, more } = decodeSynchronization(payload)
    this.#known.push(...sandboxes)
    if (!more) {
      this.#options.handler.synchronize(this.#known)
      this.#known = []
      this.#options.onReady(this.#runtime)
    }
    return encodeSynchronized(more)
  }

  async #change (payload: Uint8Array): Promise<Uint8Array> {
    const { event, sandbox } = decodeStateChange(payload)
    if (event === events.runPodSandbox) await this.#run(sandbox)
    else if (event === events.stopPodSandbox || event === events.removePodSandbox) await this.#options.handler.stop(sandbox)
    return new Uint8Array()
  }

  /** Whatever the handler does, the runtime has an answer in time: no answer at all would let the pod go on. */
  async #run (sandbox: Sandbox): Promise<void> {
    const { clock, handler } = this.#options
    const { promise: late, reject } = Promise.withResolvers<never>()
    const controller = new AbortController()
    // The handler may say better than we what it was waiting for; if it says nothing, we do.
    const giveUp = (why: unknown): void => {
      controller.abort(why)
      setImmediate(reject, why)
    }
    const timer = clock.after(this.#deadlineMs, () => { giveUp(new ClusterError(`not within ${this.#deadlineMs} ms`, { code: 'runtime-refused' })) })
    const onEnd = (): void => { giveUp(this.#end.signal.reason) }
    this.#end.signal.addEventListener('abort', onEnd, { once: true })
    try {
      await Promise.race([handler.run(sandbox, controller.signal), late])
    } finally {
      timer.cancel()
      this.#end.signal.removeEventListener('abort', onEnd)
    }
  }
}

/** A call that is none of ours. */
class Unimplemented extends Error {
  override readonly name = 'Unimplemented'
}
