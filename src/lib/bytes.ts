/** Reading bytes that a stranger wrote: every length is checked before it is believed. */

export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left (): number { return this.#bytes.length - this.#at }

  uint8 (): number { return this.#view.getUint8(this.#advance(1)) }
  uint16 (): number { return this.#view.getUint16(this.#advance(2)) }
  uint32 (): number { return this.#view.getUint32(this.#advance(4)) }

  /** The next `length` bytes, not copied. */
  take (length: number): Uint8Array {
    const at = this.#advance(length)
    return this.#bytes.subarray(at, at + length)
  }

  #advance (length: number): number {
    if (length > this.left) throw new RangeError(`${length} bytes wanted, ${this.left} left`)
    const at = this.#at
    this.#at += length
    return at
  }
}
