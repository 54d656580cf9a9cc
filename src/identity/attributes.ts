/**
 * The workload's attributes inside its certificate: one private extension, version 1.
 *
 *    0       1
 *   +-------+-----------+-------------+--------+-------+-------------+
 *   | 1     | cluster s | namespace s | name s | uid s | owner 0 / 1 | + kind s, name s when 1
 *   +-------+-----------+-------------+--------+-------+-------------+
 *   | count | key s, value s, key s, ...                             |  labels, keys strictly ascending
 *   +-------+--------------------------------------------------------+
 *   | count | key s, value s, key s, ...                             |  namespace labels, likewise
 *   +-------+--------------------------------------------------------+
 *   | count | name s, port (16 bits), protocol (8 bits), ...         |  ports, strictly ascending as (name, protocol, port)
 *   +-------+--------------------------------------------------------+
 *   | count | digest s, ...                                          |  images, strictly ascending
 *   +-------+--------------------------------------------------------+  and nothing behind
 *
 *   s     = length (16 bits), then that many bytes of UTF-8 without control characters
 *   count = 16 bits; numbers are big-endian; order is that of the UTF-8 bytes; protocol 0 TCP, 1 UDP, 2 SCTP
 *
 * The same attributes always give the same bytes, and only those bytes decode to them: whoever compares or
 * caches bytes compares attributes. The extension is not critical: software that does not know it may still
 * use the certificate as the SVID it is, our own verifier insists on it anyway.
 */

import { ByteReader } from '../lib/bytes.ts'
import { comparePorts, compareText, countBounds, isSignableText, protocols, textBounds } from './attribute-fields.ts'
import { AttributeWriter } from './attribute-writer.ts'
import { IdentityError } from './error.ts'
import type { Labels } from '../model/labels.ts'
import type { NamedPort, WorkloadAttributes } from '../model/workload.ts'
import type { TextField } from './attribute-fields.ts'

/** Largest extension that is signed or read, bytes: four hundred labels of ordinary length, and one TLS record. @default */
export const maxAttributesBytes = 16 * 1024

const version = 1

/** The extension's bytes. Throws `bad-request` for what cannot be signed, `attributes-too-large` beyond `limit` bytes. */
export function encodeAttributes (attributes: WorkloadAttributes, limit: number = maxAttributesBytes): Uint8Array {
  const { cluster, namespace, name, uid, owner, labels, namespaceLabels, ports, images } = attributes
  const writer = new AttributeWriter()
  writer.uint8(version)
  writer.text(cluster, 'cluster').text(namespace, 'namespace').text(name, 'name').text(uid, 'uid')
  writer.owner(owner)
  writer.labels(labels).labels(namespaceLabels)
  writer.ports(ports).images(images)
  const bytes = writer.bytes()
  if (bytes.length > limit) throw new IdentityError('attributes-too-large', `the attributes take ${bytes.length} bytes, the limit is ${limit}`)
  return bytes
}

/** Reads what a stranger wrote; throws `bad-attributes` or `attributes-too-large`. Frozen; label maps have no prototype. */
export function decodeAttributes (bytes: Uint8Array, limit: number = maxAttributesBytes): WorkloadAttributes {
  if (bytes.length > limit) throw new IdentityError('attributes-too-large', `the attributes take ${bytes.length} bytes, the limit is ${limit}`)
  try {
    return readAll(new ByteReader(bytes))
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause
    throw new IdentityError('bad-attributes', 'the attributes are cut short or not UTF-8', { cause })
  }
}

function readAll (reader: ByteReader): WorkloadAttributes {
  if (reader.uint8() !== version) throw bad('a version that we do not know')
  const attributes = {
    cluster: readText(reader, 'cluster'),
    namespace: readText(reader, 'namespace'),
    name: readText(reader, 'name'),
    uid: readText(reader, 'uid'),
    owner: readOwner(reader),
    labels: readLabels(reader),
    namespaceLabels: readLabels(reader),
    ports: readList(reader, countBounds.ports, readPort, comparePorts),
    images: readList(reader, countBounds.images, from => readText(from, 'image'), compareText),
  }
  if (reader.left > 0) throw bad('bytes behind the last field')
  return Object.freeze(attributes)
}

function readOwner (reader: ByteReader): WorkloadAttributes['owner'] {
  const there = reader.uint8()
  if (there > 1) throw bad('an owner that is neither there nor not')
  return there === 0 ? undefined : Object.freeze({ kind: readText(reader, 'ownerKind'), name: readText(reader, 'ownerName') })
}

/** Without a prototype, so that a selector on the key `constructor` finds nothing but a label. */
function readLabels (reader: ByteReader): Labels {
  const pairs = readList(reader, countBounds.labels, readLabel, ([a], [b]) => compareText(a, b))
  // Object.create answers any; a map of text to text is what is put into it.
  const labels = Object.create(null) as Record<string, string>
  for (const [key, value] of pairs) labels[key] = value
  return Object.freeze(labels)
}

function readLabel (reader: ByteReader): readonly [string, string] {
  return [readText(reader, 'labelKey'), readText(reader, 'labelValue')]
}

function readPort (reader: ByteReader): NamedPort {
  const name = readText(reader, 'portName')
  const port = reader.uint16()
  const protocol = protocols[reader.uint8()]
  if (protocol === undefined || port === 0) throw bad('a port that is none')
  return Object.freeze({ name, port, protocol })
}

/** A list in strictly ascending order: no duplicates, one encoding. */
function readList<T> (reader: ByteReader, most: number, read: (reader: ByteReader) => T, compare: (a: T, b: T) => number): readonly T[] {
  const count = reader.uint16()
  if (count > most) throw bad(`${count} entries, at most ${most}`)
  const list: T[] = []
  for (let i = 0; i < count; i++) {
    const next = read(reader)
    const last = list.at(-1)
    if (last !== undefined && compare(last, next) >= 0) throw bad('entries out of order, or one twice')
    list.push(next)
  }
  return Object.freeze(list)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readText (reader: ByteReader, field: TextField): string {
  const length = reader.uint16()
  if (length > textBounds[field]) throw bad(`${length} bytes of ${field}, at most ${textBounds[field]}`)
  const text = utf8.decode(reader.take(length))
  if (!isSignableText(text)) throw bad(`a control character in ${field}`)
  return text
}

function bad (message: string): IdentityError {
  return new IdentityError('bad-attributes', message)
}
