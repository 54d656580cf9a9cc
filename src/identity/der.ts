/**
 * DER (X.690) over node-forge's asn1, read strictly.
 *
 * forge reads BER: indefinite and padded lengths, padded integers, segmented strings. What two parsers read
 * differently is how forged certificates get through, so whatever was read must encode to the very same bytes.
 * Multi-byte tags (type 31), which forge does not know, never equal a tag that we ask for.
 */

// Of all that node-forge can do: the whole takes 8 MB.
import asn1 from 'node-forge/lib/asn1.js'
import { IdentityError } from './error.ts'
import { decodeOid, encodeOid } from './oid.ts'
import type forge from 'node-forge'

/** One value, decoded: forge's tree. */
export type Der = forge.asn1.Asn1

/** Identifier octets: class, constructed bit and type in one byte. */
export const tags = {
  boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, null: 0x05, oid: 0x06, utf8String: 0x0c,
  utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30, set: 0x31,
} as const

/** Depth of a certificate is about 7; recursion of the parser is bounded here. */
const maxDepth = 16

/** `[number]` of a context, primitive or constructed. */
export function contextTag (number: number, form: 'primitive' | 'constructed'): number {
  return 0x80 | (form === 'constructed' ? 0x20 : 0) | number
}

/** Reads exactly one value; throws `malformed` on anything but DER. The caller has bounded the size. */
export function parseDer (bytes: Uint8Array): Der {
  const text = binaryOf(bytes)
  let node: Der
  try {
    // forge takes an object of options here, its published types know only the older boolean.
    node = asn1.fromDer(text, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth } as unknown as boolean)
  } catch (cause) {
    throw new IdentityError('malformed', 'not ASN.1', { cause })
  }
  if (asn1.toDer(node).getBytes() !== text) throw new IdentityError('malformed', 'not in the one encoding that DER allows')
  return node
}

/** The bytes of a value. */
export function encodeDer (node: Der): Uint8Array {
  return bytesOf(asn1.toDer(node).getBytes())
}

/** The identifier octet, to be compared with `tags` and `contextTag`. */
export function tagOf (node: Der): number {
  return node.tagClass | (node.constructed ? 0x20 : 0) | node.type
}

/** The content of a primitive value. */
export function contentOf (node: Der, tag: number): Uint8Array {
  if (tagOf(node) !== tag || typeof node.value !== 'string') throw unexpected(tag, node)
  return bytesOf(node.value)
}

/** The values inside a constructed value. */
export function childrenOf (node: Der, tag: number = tags.sequence): readonly Der[] {
  if (tagOf(node) !== tag || typeof node.value === 'string') throw unexpected(tag, node)
  return node.value
}

/** Dotted. */
export function readOid (node: Der): string {
  return decodeOid(contentOf(node, tags.oid))
}

/** DER knows one TRUE (X.690, 11.1), and leaves out what is the default. */
export function readTrue (node: Der): true {
  const content = contentOf(node, tags.boolean)
  if (content.length !== 1 || content[0] !== 0xff) throw new IdentityError('malformed', 'a boolean that is not TRUE is written out')
  return true
}

/** A non-negative integer below 2^31. */
export function readSmallInteger (node: Der): number {
  const content = contentOf(node, tags.integer)
  const value = content.reduce((sum, byte) => sum * 256 + byte, 0)
  if (content.length === 0 || content.length > 4 || value >= 2 ** 31) throw new IdentityError('malformed', 'an integer is out of range')
  return value
}

/** The fields of a SEQUENCE in order: each is taken once, and `end` refuses what nobody asked for. */
export class DerFields {
  readonly #nodes: readonly Der[]
  #at = 0

  constructor (node: Der, tag: number = tags.sequence) {
    this.#nodes = childrenOf(node, tag)
  }

  next (): Der {
    const node = this.#nodes[this.#at]
    if (node === undefined) throw new IdentityError('malformed', 'a field is missing')
    this.#at++
    return node
  }

  optional (tag: number): Der | undefined {
    const node = this.#nodes[this.#at]
    if (node === undefined || tagOf(node) !== tag) return undefined
    this.#at++
    return node
  }

  end (): void {
    if (this.#at !== this.#nodes.length) throw new IdentityError('malformed', 'a field is one too many')
  }
}

/** A value from its content or its children. */
export function der (tag: number, value: Uint8Array | readonly Der[]): Der {
  return asn1.create(tag & 0xc0, tag & 0x1f, (tag & 0x20) !== 0, value instanceof Uint8Array ? binaryOf(value) : [...value])
}

/** A SEQUENCE of the given values. */
export function derSequence (...fields: readonly Der[]): Der {
  return der(tags.sequence, fields)
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function derOid (dotted: string): Der {
  return der(tags.oid, encodeOid(dotted))
}

/** A string or time; the caller answers for the characters that its type allows. */
export function derText (tag: number, text: string): Der {
  return der(tag, Buffer.from(text, 'utf8'))
}

/** forge's strings hold one byte per character. */
function binaryOf (bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function bytesOf (binary: string): Uint8Array {
  return Buffer.from(binary, 'latin1')
}

function unexpected (tag: number, node: Der): IdentityError {
  return new IdentityError('malformed', `tag ${tag} expected, ${tagOf(node)} found`)
}
