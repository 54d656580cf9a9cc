/**
 * What is written to a stream, gathered into large buffers that are used again and again.
 *
 * Large pieces wait for more until the event loop has read what there was: one system call then takes many TLS records.
 * Small ones go out at once: nobody's answer waits.
 */

import type { Writable } from 'node:stream'

/** A frame of the largest payload with its header. */
const bufferBytes = 256 * 1024 + 64
/** A piece of that size is probably not the last one: TLS records hold up to 16 KiB, and frames cut some bytes off. */
const largeBytes = 15 * 1024
/** Less than that room is left: the next piece would not fit. */
const roomBytes = 16 * 1024
/** Written and not yet taken by the kernel: from here on the writer is asked to pause, and below half of it to go on. */
const mostPendingBytes = 512 * 1024
/** Buffers that are kept for later, by all outboxes together: 4 MiB. */
const mostSpare = 16

const spare: Buffer[] = []

export class Outbox {
  readonly #stream: Writable
  readonly #onDrain: () => void
  #buffer: Buffer | undefined
  #filled = 0
  #pending = 0
  #paused = false
  #scheduled = false

  /** `onDrain` is called when `put` may be called again after it had returned false. */
  constructor (stream: Writable, onDrain: () => void) {
    this.#stream = stream
    this.#onDrain = onDrain
  }

  /** Takes a copy of `head` and `bytes`; false asks for a pause until `onDrain`. */
  put (head: Uint8Array, bytes: Uint8Array): boolean {
    const length = head.length + bytes.length
    if (this.#buffer !== undefined && this.#filled + length > this.#buffer.length) this.flush()
    const buffer = this.#buffer ??= bufferFor(length)
    buffer.set(head, this.#filled)
    buffer.set(bytes, this.#filled + head.length)
    this.#filled += length
    if (bytes.length < largeBytes || this.#filled + roomBytes > buffer.length) this.flush()
    else this.#flushSoon()
    this.#paused = this.#pending + this.#filled >= mostPendingBytes
    return !this.#paused
  }

  /** Writes what is gathered; what is written to the stream itself after it comes after it. */
  flush (): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    const bytes = buffer.subarray(0, this.#filled)
    this.#buffer = undefined
    this.#filled = 0
    if (!this.#stream.writable) return
    this.#pending += bytes.length
    this.#stream.write(bytes, error => {
      // What a broken stream does with the buffer is not known, so nobody gets it again.
      if (error == null) this.#taken(buffer, bytes.length)
    })
  }

  #taken (buffer: Buffer, length: number): void {
    if (buffer.length === bufferBytes && spare.length < mostSpare) spare.push(buffer)
    this.#pending -= length
    if (!this.#paused || this.#pending >= mostPendingBytes / 2) return
    this.#paused = false
    this.#onDrain()
  }

  #flushSoon (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }
}

/** A small piece is written alone, and a large buffer would be much for it. */
function bufferFor (length: number): Buffer {
  if (length < largeBytes || length > bufferBytes) return Buffer.allocUnsafeSlow(length)
  return spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
}
