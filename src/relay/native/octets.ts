/**
 * Bytes on their way between threads, one in each character of a string. An array of a few dozen bytes takes three times as long
 * to post: at the other end it gets memory of its own, which the collector has to look after.
 */

export type Octets = string

export function octetsOf (bytes: Uint8Array): Octets {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

export function bytesOf (octets: Octets): Uint8Array {
  return Buffer.from(octets, 'latin1')
}
