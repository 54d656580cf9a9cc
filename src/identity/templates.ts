/** The extensions that our own certificates carry: what `profile.ts` asks for, written out. */

import { bitString } from './build.ts'
import { contextTag, der, derOid, derSequence, derText, encodeDer, tags } from './der.ts'
import { oids } from './oid.ts'
import type { Extension } from './build.ts'
import type { Der } from './der.ts'

/** Of a workload. The alternative name is critical because the subject is empty (RFC 5280, 4.2.1.6). */
export function leafExtensions (uri: string, attributes: Uint8Array, keyId: Uint8Array, authorityKeyId: Uint8Array): readonly Extension[] {
  return [
    basicConstraints({ ca: false }),
    keyUsage(['digitalSignature']),
    extendedKeyUsage([oids.serverAuth, oids.clientAuth]),
    alternativeNames([uri], true),
    subjectKeyId(keyId),
    authorityKey(authorityKeyId),
    { oid: oids.workloadAttributes, critical: false, content: attributes },
  ]
}

/** Of an authority: the root, or an intermediate when `authorityKeyId` is another's. */
export function authorityExtensions (trustDomain: string, keyId: Uint8Array, authorityKeyId: Uint8Array, pathLength: number | undefined): readonly Extension[] {
  return [
    basicConstraints({ ca: true, pathLength }),
    keyUsage(['keyCertSign', 'cRLSign']),
    alternativeNames([`spiffe://${trustDomain}`], false),
    subjectKeyId(keyId),
    authorityKey(authorityKeyId),
  ]
}

/** RFC 5280, 4.2.1.9; critical. */
export function basicConstraints ({ ca, pathLength }: { readonly ca: boolean, readonly pathLength?: number | undefined }): Extension {
  const fields: Der[] = []
  if (ca) fields.push(der(tags.boolean, Uint8Array.of(0xff)))
  if (pathLength !== undefined) fields.push(der(tags.integer, Uint8Array.of(pathLength)))
  return extension(oids.basicConstraints, true, derSequence(...fields))
}

/** Bits from the left of the first byte; `unused` are those below the last one that is set (DER of a named bit list). */
const usageBits = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const

/** RFC 5280, 4.2.1.3. */
export function keyUsage (usages: readonly (keyof typeof usageBits)[], critical = true): Extension {
  const byte = usages.reduce((bits, usage) => bits | usageBits[usage], 0)
  const unused = 31 - Math.clz32(byte & -byte)
  return extension(oids.keyUsage, critical, bitString(Uint8Array.of(byte), unused))
}

/** RFC 5280, 4.2.1.12; OIDs of purposes. */
export function extendedKeyUsage (purposes: readonly string[]): Extension {
  return extension(oids.extendedKeyUsage, false, derSequence(...purposes.map(derOid)))
}

/** uniformResourceIdentifier is [6] of GeneralName. */
export function alternativeNames (uris: readonly string[], critical: boolean): Extension {
  return extension(oids.subjectAltName, critical, derSequence(...uris.map(uri => derText(contextTag(6, 'primitive'), uri))))
}

/** RFC 5280, 4.2.1.2. */
export function subjectKeyId (keyId: Uint8Array): Extension {
  return extension(oids.subjectKeyId, false, der(tags.octetString, keyId))
}

/** RFC 5280, 4.2.1.1; by key id only. */
export function authorityKey (keyId: Uint8Array): Extension {
  return extension(oids.authorityKeyId, false, derSequence(der(contextTag(0, 'primitive'), keyId)))
}

function extension (oid: string, critical: boolean, value: Der): Extension {
  return { oid, critical, content: encodeDer(value) }
}
