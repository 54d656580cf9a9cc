/**
 * The two lower layers of NRI, as machines without sockets.
 *
 *     frame    connection u32 │ length u32 │ payload             containerd/nri pkg/net/multiplex/mux.go
 *     message  length u32 │ stream u32 │ type u8 │ flags u8 │ data   containerd/ttrpc PROTOCOL.md; the payloads of one
 *              connection, joined
 *
 * Numbers are big-endian. Frames are not messages: a message may be spread over frames.
 */

import { ClusterError } from '../error.ts'

/** In the multiplexer: on one connection the runtime calls us, on the other we call the runtime. */
export const connections = { plugin: 1, runtime: 2 } as const
export const messageTypes = { request: 1, response: 2 } as const

export interface Message {
  /** The answer to a request carries its number. */
  readonly stream: number
  readonly type: number
  readonly data: Uint8Array
}

const frameHeader = 8
const messageHeader = 10
/** ttrpc's limit for the data of a message. */
export const mostData = 4 * 1024 * 1024
const mostPayload = mostData + messageHeader

/**
 * A message as bytes for the socket. Header and data are in frames of their own: the runtime's end reads a frame into the
 * buffer that it has at hand, ten bytes while it waits for a header, and fails when the frame is larger.
 */
export function encodeMessage (connection: number, { stream, type, data }: Message): Uint8Array {
  if (data.length > mostData) throw new RangeError(`a message of ${data.length} bytes, at most ${mostData}`)
  const header = Buffer.alloc(messageHeader)
  header.writeUInt32BE(data.length, 0)
  header.writeUInt32BE(stream, 4)
  header.writeUInt8(type, 8)
  return Buffer.concat([header, data].filter(part => part.length > 0).flatMap(part => [frameHead(connection, part.length), part]))
}

function frameHead (connection: number, length: number): Buffer {
  const head = Buffer.alloc(frameHeader)
  head.writeUInt32BE(connection, 0)
  head.writeUInt32BE(length, 4)
  return head
}

/** Takes bytes in any pieces, gives messages. */
export class WireReader {
  readonly #frames = new Gathered()
  readonly #streams = new Map<number, Gathered>([[connections.plugin, new Gathered()], [connections.runtime, new Gathered()]])

  /** The messages that are complete with `bytes`. Throws ClusterError `runtime-protocol`; nothing is to be read after that. */
  read (bytes: Uint8Array): Array<{ readonly connection: number, readonly message: Message }> {
    this.#frames.add(bytes)
    const messages: Array<{ readonly connection: number, readonly message: Message }> = []
    for (let frame = this.#nextFrame(); frame !== undefined; frame = this.#nextFrame()) {
      const { connection, payload } = frame
      // Others may be there one day, for what we have not asked for.
      const stream = this.#streams.get(connection)
      stream?.add(payload)
      for (let message = nextMessage(stream); message !== undefined; message = nextMessage(stream)) messages.push({ connection, message })
    }
    return messages
  }

  #nextFrame (): { readonly connection: number, readonly payload: Uint8Array } | undefined {
    const head = this.#frames.peek(frameHeader)
    if (head === undefined) return undefined
    const length = head.readUInt32BE(4)
    if (length > mostPayload) throw new ClusterError(`NRI: a frame of ${length} bytes`, { code: 'runtime-protocol' })
    const frame = this.#frames.take(frameHeader + length)
    return frame === undefined ? undefined : { connection: head.readUInt32BE(0), payload: frame.subarray(frameHeader) }
  }
}

function nextMessage (stream: Gathered | undefined): Message | undefined {
  const head = stream?.peek(messageHeader)
  if (stream === undefined || head === undefined) return undefined
  const length = head.readUInt32BE(0)
  if (length > mostData) throw new ClusterError(`NRI: a message of ${length} bytes`, { code: 'runtime-protocol' })
  const whole = stream.take(messageHeader + length)
  return whole === undefined ? undefined : { stream: whole.readUInt32BE(4), type: whole.readUInt8(8), data: whole.subarray(messageHeader) }
}

/** Bytes that have come so far, joined only when enough are there. */
class Gathered {
  #parts: Uint8Array[] = []
  #length = 0

  add (bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#length += bytes.length
  }

  /** The first `length` bytes, which stay. */
  peek (length: number): Buffer | undefined {
    if (this.#length < length) return undefined
    const joined = this.#joined()
    return joined.subarray(0, length)
  }

  /** The first `length` bytes, which go. */
  take (length: number): Buffer | undefined {
    if (this.#length < length) return undefined
    const joined = this.#joined()
    this.#parts = [joined.subarray(length)]
    this.#length -= length
    return joined.subarray(0, length)
  }

  #joined (): Buffer {
    const joined = Buffer.concat(this.#parts)
    this.#parts = [joined]
    return joined
  }
}
