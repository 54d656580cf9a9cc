/** Writing certificates: node-forge encodes, node:crypto signs. Knows the form (RFC 5280, 4.1), not what a good one is. */

import { createHash, randomBytes, sign } from 'node:crypto'
import { contentOf, contextTag, der, DerFields, derOid, derSequence, derText, encodeDer, parseDer, tags } from './der.ts'
import { oids } from './oid.ts'
import { derTime } from './time.ts'
import type { KeyObject } from 'node:crypto'
import type { Der } from './der.ts'

/** One extension, its value already encoded. */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  readonly content: Uint8Array
}

/** The fields of a TBSCertificate. */
export interface CertificateTemplate {
  /** Content of the INTEGER. @default 128 random bits */
  readonly serial?: Uint8Array
  /** Names as DER. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: KeyObject
  readonly extensions: readonly Extension[]
}

/** How a certificate is signed. Our own are all `ecdsaSha256`; the tests need others, too. */
export interface SignatureScheme { readonly oid: string, readonly digest: string }

/** ECDSA with SHA-256 (RFC 5758, 3.2). */
export const ecdsaSha256: SignatureScheme = { oid: oids.ecdsaWithSha256, digest: 'sha256' }

/** The name of somebody who has none: the ID is in the alternative names, and nothing else can be mistaken for it. */
export const emptyName: Uint8Array = encodeDer(derSequence())

/** DER of the signed certificate. */
export function signCertificate (template: CertificateTemplate, key: KeyObject, scheme: SignatureScheme = ecdsaSha256): Uint8Array {
  const algorithm = derSequence(derOid(scheme.oid))
  const tbs = derSequence(
    der(contextTag(0, 'constructed'), [der(tags.integer, Uint8Array.of(2))]),
    der(tags.integer, template.serial ?? randomSerial()),
    algorithm,
    parseDer(template.issuer),
    derSequence(derTime(template.notBeforeMs), derTime(template.notAfterMs)),
    parseDer(template.subject),
    parseDer(spkiOf(template.publicKey)),
    der(contextTag(3, 'constructed'), [derSequence(...template.extensions.map(encodeExtension))]),
  )
  const signature = sign(scheme.digest, encodeDer(tbs), key)
  return encodeDer(derSequence(tbs, algorithm, bitString(signature)))
}

/** A name of organization and common name, RFC 5280, 4.1.2.4. */
export function encodeName (organization: string, commonName: string): Uint8Array {
  const part = (oid: string, text: string): Der => der(tags.set, [derSequence(derOid(oid), derText(tags.utf8String, text))])
  return encodeDer(derSequence(part(oids.organization, organization), part(oids.commonName, commonName)))
}

/** RFC 7093, 2, method 1: the first 160 bits of the SHA-256 of the key. SHA-1 is not needed where nobody compares with it. */
export function keyIdOf (key: KeyObject): Uint8Array {
  return createHash('sha256').update(keyBitsOf(key)).digest().subarray(0, 20)
}

/** A BIT STRING; the last `unusedBits` bits of `bytes` do not count. */
export function bitString (bytes: Uint8Array, unusedBits = 0): Der {
  return der(tags.bitString, Buffer.concat([Uint8Array.of(unusedBits), bytes]))
}

function spkiOf (key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' })
}

/** The subjectPublicKey of a SubjectPublicKeyInfo (RFC 5280, 4.1), without the count of unused bits. */
function keyBitsOf (key: KeyObject): Uint8Array {
  const fields = new DerFields(parseDer(spkiOf(key)))
  fields.next()
  return contentOf(fields.next(), tags.bitString).subarray(1)
}

function encodeExtension ({ oid, critical, content }: Extension): Der {
  const value = der(tags.octetString, content)
  return critical ? derSequence(derOid(oid), der(tags.boolean, Uint8Array.of(0xff)), value) : derSequence(derOid(oid), value)
}

/** RFC 5280, 4.1.2.2: positive, at most 20 bytes; and never predictable, so that a collision cannot be prepared. */
function randomSerial (): Uint8Array {
  const random = randomBytes(16)
  // A zero in front keeps it positive where the first bit is set; where it is not, the first byte must not be zero.
  const first = random[0] ?? 0
  if (first === 0) random[0] = 1
  return first >= 0x80 ? Buffer.concat([Uint8Array.of(0), random]) : random
}
