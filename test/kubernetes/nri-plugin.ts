/**
 * A minimal NRI plugin for tests: registers with a node's containerd, and hears of pods before their containers start.
 *
 * Everything that it knows of the protocol is in `README.md` ("NRI on the wire"); it shares no code with the agent,
 * so that one can be checked against the other.
 */

import { connect } from 'node:net'
import { eventually } from '../fixtures/eventually.ts'
import { decodeMessage, encodeMessage, numberOf, textOf } from './protobuf.ts'
import type { Socket } from 'node:net'
import type { Fields } from './protobuf.ts'

/** What a pod looks like in RunPodSandbox. */
export interface NriPod {
  readonly id: string
  readonly name: string
  readonly uid: string
  readonly namespace: string
  /** Path of its network namespace as the node sees it. */
  readonly netns: string
  readonly ips: readonly string[]
}

/** Called before any container of the pod starts; containerd waits for it, at most two seconds by default. */
export type OnPod = (pod: NriPod) => void | Promise<void>

/** Connections in the multiplexer: the runtime calls the plugin on one, the plugin the runtime on the other. */
const pluginService = 1
const runtimeService = 2
const [request, response] = [1, 2]
const runPodSandbox = 1
const muxHeader = 8
const ttrpcHeader = 10
/** gRPC's code for "unknown error". */
const unknownError = 2

export class NriPlugin implements Disposable {
  /** Pods of RunPodSandbox, in order. */
  readonly pods: NriPod[] = []
  runtime = ''
  isSynchronized = false
  readonly #socket: Socket
  readonly #onPod: OnPod
  readonly #received = new Map<number, Buffer>()
  #raw = Buffer.alloc(0)

  private constructor (socket: Socket, onPod: OnPod) {
    this.#socket = socket
    this.#onPod = onPod
    socket.on('error', () => {}).on('data', chunk => { this.#read(chunk) })
  }

  /** Connects and registers; resolves when containerd has told it of the pods that were there before. */
  static async register (socketPath: string, name: string, onPod: OnPod = () => {}): Promise<NriPlugin> {
    const plugin = new NriPlugin(connect(socketPath), onPod)
    plugin.#call('RegisterPlugin', encodeMessage([[1, name], [2, '10']]))
    try {
      await eventually(() => plugin.isSynchronized)
      return plugin
    } catch (error) {
      plugin[Symbol.dispose]()
      throw error
    }
  }

  get isConnected (): boolean { return !this.#socket.closed && !this.#socket.destroyed }

  [Symbol.dispose] (): void { this.#socket.destroy() }

  #call (method: string, payload: Uint8Array): void {
    this.#send(runtimeService, 1, request, encodeMessage([[1, 'nri.pkg.api.v1alpha1.Runtime'], [2, method], [3, payload]]))
  }

  /** Header and data in multiplexer frames of their own: the other end reads a frame into the buffer at hand, and fails when it is too small. */
  #send (connection: number, stream: number, type: number, data: Uint8Array): void {
    const header = Buffer.alloc(ttrpcHeader)
    header.writeUInt32BE(data.length, 0)
    header.writeUInt32BE(stream, 4)
    header.writeUInt8(type, 8)
    for (const part of data.length === 0 ? [header] : [header, data]) {
      const frame = Buffer.alloc(muxHeader)
      frame.writeUInt32BE(connection, 0)
      frame.writeUInt32BE(part.length, 4)
      this.#socket.write(Buffer.concat([frame, part]))
    }
  }

  #read (chunk: Buffer): void {
    this.#raw = Buffer.concat([this.#raw, chunk])
    while (this.#raw.length >= muxHeader) {
      const end = muxHeader + this.#raw.readUInt32BE(4)
      if (this.#raw.length < end) return
      this.#readFrame(this.#raw.readUInt32BE(0), this.#raw.subarray(muxHeader, end))
      this.#raw = this.#raw.subarray(end)
    }
  }

  #readFrame (connection: number, payload: Buffer): void {
    let bytes = Buffer.concat([this.#received.get(connection) ?? Buffer.alloc(0), payload])
    while (bytes.length >= ttrpcHeader && bytes.length >= ttrpcHeader + bytes.readUInt32BE(0)) {
      const end = ttrpcHeader + bytes.readUInt32BE(0)
      if (connection === pluginService) void this.#answer(bytes.readUInt32BE(4), decodeMessage(bytes.subarray(ttrpcHeader, end)))
      bytes = bytes.subarray(end)
    }
    this.#received.set(connection, bytes)
  }

  async #answer (stream: number, call: Fields): Promise<void> {
    const [payload] = call.get(3) ?? []
    const body = decodeMessage(payload instanceof Uint8Array ? payload : new Uint8Array())
    try {
      const reply = await this.#handle(textOf(call, 2), body)
      this.#send(pluginService, stream, response, encodeMessage([[2, reply]]))
    } catch (error) {
      this.#send(pluginService, stream, response, encodeMessage([[1, encodeMessage([[1, unknownError], [2, String(error)]])]]))
    }
  }

  async #handle (method: string, body: Fields): Promise<Uint8Array> {
    if (method === 'Configure') {
      this.runtime = `${textOf(body, 2)} ${textOf(body, 3)}`
      return encodeMessage([[2, 1 << (runPodSandbox - 1)]])
    }
    // Field 3 says that more is to follow; the answer has to repeat that.
    if (method === 'Synchronize') {
      this.isSynchronized = numberOf(body, 3) === 0
      return encodeMessage(this.isSynchronized ? [] : [[2, 1]])
    }
    if (method === 'StateChange' && numberOf(body, 1) === runPodSandbox) {
      const pod = podOf(body)
      this.pods.push(pod)
      await this.#onPod(pod)
    }
    return new Uint8Array()
  }
}

function podOf (event: Fields): NriPod {
  const pod = messageIn(event, 2)
  const namespaces = (messageIn(pod, 8).get(5) ?? []).map(value => value instanceof Uint8Array ? decodeMessage(value) : new Map())
  const network = namespaces.find(namespace => textOf(namespace, 1) === 'network')
  const ips = (pod.get(10) ?? []).map(value => value instanceof Uint8Array ? Buffer.from(value).toString() : '')
  return { id: textOf(pod, 1), name: textOf(pod, 2), uid: textOf(pod, 3), namespace: textOf(pod, 4), netns: network === undefined ? '' : textOf(network, 2), ips }
}

function messageIn (fields: Fields, number: number): Fields {
  const [value] = fields.get(number) ?? []
  return value instanceof Uint8Array ? decodeMessage(value) : new Map()
}
