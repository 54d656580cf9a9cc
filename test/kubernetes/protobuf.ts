/** As much of Protocol Buffers' wire format as a test needs: varints, and fields with a length. */

/** Values by field number, in the order in which they came. */
export type Fields = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>

/** Field number and value; text and bytes get a length, numbers become varints. */
export type Field = readonly [number: number, value: string | Uint8Array | number]

export function encodeMessage (fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [varint(number << 3), varint(value)]
    const bytes = Buffer.from(value)
    return [varint(number << 3 | 2), varint(bytes.length), bytes]
  }))
}

export function decodeMessage (bytes: Uint8Array): Fields {
  const fields = new Map<number, (bigint | Uint8Array)[]>()
  for (let at = 0; at < bytes.length;) {
    const [tag, afterTag] = readVarint(bytes, at)
    const [value, end] = readValue(bytes, afterTag, Number(tag & 7n))
    const number = Number(tag >> 3n)
    fields.set(number, [...fields.get(number) ?? [], value])
    at = end
  }
  return fields
}

export function textOf (fields: Fields, number: number): string {
  const [value] = fields.get(number) ?? []
  return value instanceof Uint8Array ? Buffer.from(value).toString() : ''
}

export function numberOf (fields: Fields, number: number): number {
  const [value] = fields.get(number) ?? []
  return typeof value === 'bigint' ? Number(value) : 0
}

function readValue (bytes: Uint8Array, at: number, type: number): [value: bigint | Uint8Array, end: number] {
  if (type === 0) return readVarint(bytes, at)
  // 1 and 5 are numbers of fixed size.
  if (type === 1 || type === 5) return [bytes.subarray(at, at + (type === 1 ? 8 : 4)), at + (type === 1 ? 8 : 4)]
  if (type !== 2) throw new RangeError(`wire type ${type}`)
  const [length, start] = readVarint(bytes, at)
  const end = start + Number(length)
  if (end > bytes.length) throw new RangeError(`a field of ${length} bytes, ${bytes.length - start} left`)
  return [bytes.subarray(start, end), end]
}

function readVarint (bytes: Uint8Array, from: number): [value: bigint, end: number] {
  let value = 0n
  for (let at = from; at < from + 10; at++) {
    const byte = bytes[at]
    if (byte === undefined) throw new RangeError('a number is cut short')
    value |= BigInt(byte & 127) << BigInt(7 * (at - from))
    if (byte < 128) return [value, at + 1]
  }
  throw new RangeError('a number of more than ten bytes')
}

function varint (value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.of(...bytes, rest)
    bytes.push(rest % 128 | 128)
  }
}
