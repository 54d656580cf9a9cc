/** The extensions of a certificate (RFC 5280, 4.2) that an SVID may have, and the list of those that we do not know. */

import { childrenOf, contentOf, contextTag, DerFields, parseDer, readOid, readSmallInteger, readTrue, tagOf, tags } from './der.ts'
import { IdentityError } from './error.ts'
import { oids } from './oid.ts'
import type { Der } from './der.ts'

/** Bits of keyUsage (RFC 5280, 4.2.1.3) by their number. */
const keyUsages = [
  'digitalSignature', 'nonRepudiation', 'keyEncipherment', 'dataEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign', 'encipherOnly', 'decipherOnly',
] as const

/** What a key may be used for. */
export type KeyUsage = typeof keyUsages[number]

/** What the extensions say. An absent one is an empty list, `false` or `undefined`. */
export interface Extensions {
  readonly ca: boolean
  readonly pathLength: number | undefined
  readonly keyUsage: readonly KeyUsage[]
  readonly extendedKeyUsage: readonly string[]
  /** URIs of the subject's alternative names, all of them. */
  readonly uris: readonly string[]
  /** Hex. */
  readonly subjectKeyId: string | undefined
  readonly authorityKeyId: string | undefined
  /** Content of our own extension, not decoded. */
  readonly attributes: Uint8Array | undefined
  /** OIDs of the extensions that are marked critical. */
  readonly critical: readonly string[]
  /** OIDs that we do not interpret. */
  readonly unknown: readonly string[]
}

/** More than any certificate has; a thousand empty ones would only cost time. */
const maxExtensions = 32

interface RawExtension { readonly oid: string, readonly critical: boolean, readonly content: Uint8Array }

const known: readonly string[] = [
  oids.basicConstraints, oids.keyUsage, oids.extendedKeyUsage, oids.subjectAltName, oids.subjectKeyId, oids.authorityKeyId, oids.workloadAttributes,
]

/** Reads `[3] EXPLICIT Extensions`; throws `malformed`. */
export function readExtensions (node: Der): Extensions {
  const wrapper = new DerFields(node, contextTag(3, 'constructed'))
  const raw = childrenOf(wrapper.next()).slice(0, maxExtensions + 1).map(readExtension)
  wrapper.end()
  if (raw.length > maxExtensions) throw new IdentityError('malformed', `more than ${maxExtensions} extensions`)
  const contents = new Map(raw.map(({ oid, content }) => [oid, content]))
  if (contents.size !== raw.length) throw new IdentityError('malformed', 'an extension is there twice')
  const read = <T>(oid: string, reader: (value: Der) => T): T | undefined => {
    const content = contents.get(oid)
    return content === undefined ? undefined : reader(parseDer(content))
  }
  return {
    ...read(oids.basicConstraints, readBasicConstraints) ?? { ca: false, pathLength: undefined },
    keyUsage: read(oids.keyUsage, readKeyUsage) ?? [],
    extendedKeyUsage: read(oids.extendedKeyUsage, value => childrenOf(value).map(readOid)) ?? [],
    uris: read(oids.subjectAltName, readUris) ?? [],
    subjectKeyId: read(oids.subjectKeyId, value => hex(contentOf(value, tags.octetString))),
    authorityKeyId: read(oids.authorityKeyId, readAuthorityKeyId),
    attributes: contents.get(oids.workloadAttributes),
    critical: raw.filter(({ critical }) => critical).map(({ oid }) => oid),
    unknown: raw.map(({ oid }) => oid).filter(oid => !known.includes(oid)),
  }
}

function readExtension (node: Der): RawExtension {
  const fields = new DerFields(node)
  const oid = readOid(fields.next())
  const flag = fields.optional(tags.boolean)
  const content = contentOf(fields.next(), tags.octetString)
  fields.end()
  return { oid, critical: flag !== undefined && readTrue(flag), content }
}

function readBasicConstraints (value: Der): Pick<Extensions, 'ca' | 'pathLength'> {
  const fields = new DerFields(value)
  const flag = fields.optional(tags.boolean)
  const length = fields.optional(tags.integer)
  fields.end()
  return { ca: flag !== undefined && readTrue(flag), pathLength: length === undefined ? undefined : readSmallInteger(length) }
}

/** DER of a named bit list: the last byte is not zero, and the unused bits are those below its last one. */
function readKeyUsage (value: Der): readonly KeyUsage[] {
  const [unused = 8, ...bytes] = contentOf(value, tags.bitString)
  const bits = bytes.flatMap(byte => [7, 6, 5, 4, 3, 2, 1, 0].map(bit => (byte >> bit) & 1))
  if (unused > 7 || bits.lastIndexOf(1) !== bits.length - 1 - unused) throw new IdentityError('malformed', 'the key usage is not DER')
  return keyUsages.filter((_, bit) => bits[bit] === 1)
}

/** GeneralNames: uniformResourceIdentifier is [6]. Other kinds of names are allowed by SPIFFE and mean nothing to us. */
function readUris (value: Der): readonly string[] {
  const uri = contextTag(6, 'primitive')
  return childrenOf(value).filter(name => tagOf(name) === uri).map(name => {
    const bytes = contentOf(name, uri)
    if (bytes.some(byte => byte < 0x21 || byte > 0x7e)) throw new IdentityError('malformed', 'a URI is not printable ASCII')
    return Buffer.from(bytes).toString('latin1')
  })
}

function readAuthorityKeyId (value: Der): string | undefined {
  const keyId = contextTag(0, 'primitive')
  const found = childrenOf(value).find(field => tagOf(field) === keyId)
  return found === undefined ? undefined : hex(contentOf(found, keyId))
}

function hex (bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
