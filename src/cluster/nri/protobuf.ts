/**
 * Protocol Buffers on the wire (protobuf.dev/programming-guides/encoding), as far as NRI needs it: numbers, texts, and
 * messages in messages. A field is a tag (its number and its form) and a value:
 *
 *     form 0  varint            form 2  length (varint), bytes
 *     form 1  8 bytes           form 5  4 bytes
 */

import { ClusterError } from '../error.ts'

/** Values by number of the field, in order. Numbers of fixed size come as their bytes. */
export type Fields = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>

/** A number (not negative), a text, or a message that is encoded already. */
export type FieldValue = number | string | Uint8Array

/** Fields with the value of their kind's default are left out, as proto3 says. */
export function encodeFields (fields: ReadonlyArray<readonly [number: number, value: FieldValue]>): Uint8Array {
  return Buffer.concat(fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return value === 0 ? [] : [varint(number * 8), varint(value)]
    const bytes = Buffer.from(value)
    return bytes.length === 0 ? [] : [varint(number * 8 + 2), varint(bytes.length), bytes]
  }))
}

/** Throws ClusterError `runtime-protocol` on what is no message. The values are not copied. */
export function decodeFields (bytes: Uint8Array): Fields {
  const fields = new Map<number, (bigint | Uint8Array)[]>()
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const tag = readVarint(cursor)
    const value = readValue(cursor, Number(tag & 7n))
    const number = Number(tag >> 3n)
    const values = fields.get(number)
    if (values === undefined) fields.set(number, [value])
    else values.push(value)
  }
  return fields
}

/** The last value counts; empty where there is none. */
export function textOf (fields: Fields, number: number): string {
  const value = fields.get(number)?.at(-1)
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString() : ''
}

/** 0 where there is none; for numbers that a double can hold. */
export function numberOf (fields: Fields, number: number): number {
  const value = fields.get(number)?.at(-1)
  return typeof value === 'bigint' ? Number(value) : 0
}

export function bytesOf (fields: Fields, number: number): Uint8Array {
  const value = fields.get(number)?.at(-1)
  return value instanceof Uint8Array ? value : new Uint8Array()
}

/** The message in a field; one without fields where there is none. */
export function messageOf (fields: Fields, number: number): Fields {
  return decodeFields(bytesOf(fields, number))
}

/** The messages of a repeated field. */
export function messagesOf (fields: Fields, number: number): Fields[] {
  return (fields.get(number) ?? []).flatMap(value => value instanceof Uint8Array ? [decodeFields(value)] : [])
}

interface Cursor { readonly bytes: Uint8Array, at: number }

function readValue (cursor: Cursor, form: number): bigint | Uint8Array {
  switch (form) {
    case 0: return readVarint(cursor)
    case 1: return take(cursor, 8)
    case 2: return take(cursor, Number(readVarint(cursor)))
    case 5: return take(cursor, 4)
    default: throw garbled(`a field of form ${form}`)
  }
}

function take (cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length
  if (end > cursor.bytes.length) throw garbled(`a field of ${length} bytes, ${cursor.bytes.length - cursor.at} left`)
  const bytes = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return bytes
}

function readVarint (cursor: Cursor): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) throw garbled('a number is cut short')
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return value
  }
  throw garbled('a number of more than ten bytes')
}

function varint (value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(rest % 128 | 128)
  return Uint8Array.of(...bytes, rest)
}

function garbled (what: string): ClusterError {
  return new ClusterError(`NRI: ${what}`, { code: 'runtime-protocol' })
}
