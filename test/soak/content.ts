/**
 * The bytes of one direction, made and checked without keeping them: a place in a large pool of noise tells which byte
 * is due, so a byte that is lost, doubled or swapped is seen where it happens.
 */

/** A prime: no two places within a transfer look alike. */
const period = 4_194_301
/** Largest piece that is given at once. */
const pieceBytes = 64 * 1024

const pool = noise(period + pieceBytes)

export class Content {
  readonly length: number
  readonly #from: number
  #at = 0

  constructor (seed: number, length: number) {
    this.#from = (seed * 7919) % period
    this.length = length
  }

  get at (): number { return this.#at }
  get left (): number { return this.length - this.#at }

  /** The next bytes, at most `room`; not to be changed. */
  take (room: number): Buffer {
    const place = (this.#from + this.#at) % period
    const piece = pool.subarray(place, place + Math.min(room, this.left, pieceBytes))
    this.#at += piece.length
    return piece
  }

  /** Whether `bytes` are the next ones. */
  matches (bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length;) {
      const expected = this.take(bytes.length - at)
      if (expected.length === 0 || expected.compare(bytes, at, at + expected.length) !== 0) return false
      at += expected.length
    }
    return true
  }
}

/** xorshift32; what would be beyond the period is its beginning again, so that a piece never has to be joined. */
function noise (length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let word = 2_463_534_242
  for (let i = 0; i < words.length; i++) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    words[i] = word
  }
  const bytes = Buffer.from(words.buffer, 0, length)
  bytes.copyWithin(period, 0, length - period)
  return bytes
}
