/**
 * The frames that two agents exchange inside TLS: codec without sockets.
 *
 *      0      1              4
 *      +------+--------------+=================+
 *      | type | length (24)  | payload         |   length is big-endian, of the payload alone
 *      +------+--------------+=================+
 *
 * Why frames and not bare bytes: the end of a direction and a reset are then authenticated (a FIN that an
 * attacker injects is seen as the truncation that it is), and a connection between agents carries one application
 * connection after another.
 */

import { HandshakeError } from './error.ts'

export const FrameType = {
  greeting: 1,
  verdict: 2,
  data: 3,
  /** No more data in this direction. */
  end: 4,
  /** The connection is aborted, with a reason. */
  reset: 5,
  /** The sender's certificate was renewed, or its attributes changed: the new chain. */
  certificate: 6,
  /** The sender carries no further connection over this session; one that is under way goes on. */
  goingAway: 7,
  /**
   * Close_notify comes next, and behind it the sender's direction goes on as bare bytes. A frame of its own, so that
   * an agent that only closes is never taken for one that leaves TLS, and what follows not for its application's.
   */
  leave: 8,
} as const

export type FrameType = typeof FrameType[keyof typeof FrameType]
export type ControlType = Exclude<FrameType, typeof FrameType.data>

/** A control frame is complete; data comes in pieces as it arrives, never gathered. */
export type Frame =
  | { readonly type: ControlType, readonly payload: Uint8Array }
  | { readonly type: typeof FrameType.data, readonly payload: Uint8Array }

export const headerBytes = 4
/** Largest data payload. Bounds what one connection can make the other end wait for. */
export const maxDataBytes = 256 * 1024

/** Largest payload of each control frame: what a stranger can make us gather. */
const maxControlBytes: Readonly<Record<number, number>> = {
  [FrameType.greeting]: 64,
  [FrameType.verdict]: 4096,
  [FrameType.end]: 1,
  [FrameType.reset]: 2048,
  [FrameType.certificate]: 64 * 1024,
  [FrameType.goingAway]: 0,
  [FrameType.leave]: 0,
}

/** The four bytes before a payload of `length` bytes. */
export function encodeHeader (type: FrameType, length: number): Uint8Array {
  const header = new Uint8Array(headerBytes)
  putHeader(header, type, length)
  return header
}

/** As `encodeHeader`, at the beginning of `bytes`. */
export function putHeader (bytes: Uint8Array, type: FrameType, length: number): void {
  bytes[0] = type
  bytes[1] = length >>> 16
  bytes[2] = (length >>> 8) & 255
  bytes[3] = length & 255
}

/** Type and length; refuses what is unknown or too long with HandshakeError 'protocol-error', before anything is gathered. */
export function decodeHeader (header: Uint8Array): { readonly type: FrameType, readonly length: number } {
  const [type = 0, high = 0, middle = 0, low = 0] = header
  const length = (high << 16) | (middle << 8) | low
  if (type === FrameType.data) {
    if (length === 0 || length > maxDataBytes) throw new HandshakeError('protocol-error', `data frame of ${length} bytes`)
    return { type, length }
  }
  const most = maxControlBytes[type]
  if (most === undefined) throw new HandshakeError('protocol-error', `unknown frame type ${type}`)
  if (length > most) throw new HandshakeError('protocol-error', `control frame of ${length} bytes`)
  return { type: type as ControlType, length } // it is in the table
}

export function encodeFrame (type: ControlType, payload: Uint8Array): Uint8Array {
  if (payload.length > (maxControlBytes[type] ?? 0)) throw new RangeError(`control payload of ${payload.length} bytes`)
  const frame = new Uint8Array(headerBytes + payload.length)
  putHeader(frame, type, payload.length)
  frame.set(payload, headerBytes)
  return frame
}

/** Cuts a byte stream into frames. Holds at most one control frame; refuses a length before it gathers anything. */
export class FrameParser {
  readonly #header = new Uint8Array(headerBytes)
  #headerFilled = 0
  #type: FrameType = FrameType.data
  #left = 0
  #control: Uint8Array | undefined

  /** The frames, and pieces of data frames, in `bytes`; throws HandshakeError 'protocol-error'. Pieces alias `bytes`. */
  push (bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    for (let at = 0; at < bytes.length;) {
      at += this.#headerFilled < headerBytes ? this.#takeHeader(bytes, at, frames) : this.#takePayload(bytes, at, frames)
    }
    return frames
  }

  /** Whether the stream may end here: between two frames. */
  get atBoundary (): boolean { return this.#headerFilled === 0 }

  #takeHeader (bytes: Uint8Array, at: number, frames: Frame[]): number {
    const piece = bytes.subarray(at, at + headerBytes - this.#headerFilled)
    this.#header.set(piece, this.#headerFilled)
    this.#headerFilled += piece.length
    if (this.#headerFilled === headerBytes) this.#begin(frames)
    return piece.length
  }

  #begin (frames: Frame[]): void {
    const { type, length } = decodeHeader(this.#header)
    this.#type = type
    if (type !== FrameType.data) this.#control = new Uint8Array(length)
    this.#left = length
    if (length === 0) this.#finish(frames)
  }

  #takePayload (bytes: Uint8Array, at: number, frames: Frame[]): number {
    const piece = bytes.subarray(at, at + this.#left)
    if (this.#control === undefined) frames.push({ type: FrameType.data, payload: piece })
    else this.#control.set(piece, this.#control.length - this.#left)
    this.#left -= piece.length
    if (this.#left === 0) this.#finish(frames)
    return piece.length
  }

  #finish (frames: Frame[]): void {
    if (this.#control !== undefined) frames.push({ type: this.#type, payload: this.#control })
    this.#control = undefined
    this.#headerFilled = 0
  }
}
