/** Object identifiers: the ones we know, and their encoding (X.690, 8.19). */

import { IdentityError } from './error.ts'

/** Dotted, by name. */
export const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  anyExtendedKeyUsage: '2.5.29.37.0',
  /**
   * Ours: the arc of UUID 4d2aee4b-dcaf-4413-bddc-f70943d60ff7 (X.667). Anybody may use such an arc without
   * asking a registry, and nobody else will ever be given this one.
   */
  workloadAttributes: '2.25.102573465367393428305596172597607141367',
} as const

/** A UUID arc takes 19 bytes; nothing we meet is much longer. */
const maxOidBytes = 40

/** The content bytes of an OBJECT IDENTIFIER. Arcs may be of any size (node-forge stops at 32 bits, a UUID has 128). */
export function encodeOid (dotted: string): Uint8Array {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  return Uint8Array.from([first * 40n + second, ...rest].flatMap(base128))
}

/** The dotted form; throws `malformed` on an encoding that is not the shortest one. */
export function decodeOid (content: Uint8Array): string {
  const last = content.at(-1)
  if (last === undefined || last >= 0x80 || content.length > maxOidBytes) throw new IdentityError('malformed', 'an object identifier is cut short or too long')
  const arcs: bigint[] = []
  let arc = 0n
  let starts = true
  for (const byte of content) {
    if (starts && byte === 0x80) throw new IdentityError('malformed', 'an object identifier is padded')
    arc = arc << 7n | BigInt(byte & 0x7f)
    starts = byte < 0x80
    if (starts) { arcs.push(arc); arc = 0n }
  }
  const [head = 0n, ...rest] = arcs
  const top = head >= 80n ? 2n : head / 40n
  return [top, head - top * 40n, ...rest].join('.')
}

function base128 (arc: bigint): number[] {
  const bytes = [Number(arc & 0x7fn)]
  for (let left = arc >> 7n; left > 0n; left >>= 7n) bytes.unshift(Number(left & 0x7fn) | 0x80)
  return bytes
}
