/**
 * Reading a certificate (RFC 5280, 4.1) twice: by our own strict reader, whose word counts for the extensions, and by
 * OpenSSL through node:crypto, whose word counts for keys and signatures. Where both can speak they must agree.
 */

import { X509Certificate } from 'node:crypto'
import { childrenOf, contextTag, contentOf, DerFields, encodeDer, parseDer, readOid, readSmallInteger, tags } from './der.ts'
import { IdentityError } from './error.ts'
import { readExtensions } from './extensions.ts'
import { readTime } from './time.ts'
import type { Der } from './der.ts'
import type { Extensions } from './extensions.ts'

/** What a certificate says, nothing judged yet but its form. */
export interface Certificate extends Extensions {
  readonly der: Uint8Array
  readonly x509: X509Certificate
  /** Dotted OID, the same inside and outside of the signed part. */
  readonly signatureAlgorithm: string
  /** Names as DER: they are compared byte by byte. */
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** RFC 5280, 4.1.2.2: at most 20 bytes. */
const maxSerialBytes = 20

/** Parses one certificate; throws `malformed`, or `bad-profile` for an extension with content of the wrong form. The caller has bounded the size. */
export function parseCertificate (bytes: Uint8Array): Certificate {
  const outer = new DerFields(parseDer(bytes))
  const tbs = new DerFields(outer.next())
  const outerAlgorithm = outer.next()
  contentOf(outer.next(), tags.bitString)
  outer.end()
  readVersion(tbs)
  const serial = readSerial(tbs.next())
  const signatureAlgorithm = readAlgorithm(tbs.next(), outerAlgorithm)
  const issuer = Buffer.from(encodeDer(tbs.next()))
  const [notBeforeMs = 0, notAfterMs = 0] = readValidity(tbs.next())
  const subject = Buffer.from(encodeDer(tbs.next()))
  childrenOf(tbs.next())
  const extensions = readExtensions(tbs.next())
  tbs.end()
  const x509 = openX509(bytes)
  const certificate = { ...extensions, der: bytes, x509, signatureAlgorithm, issuer, subject, notBeforeMs, notAfterMs }
  mustAgree(certificate, serial)
  return certificate
}

/** Version 3 is the one with extensions. */
function readVersion (tbs: DerFields): void {
  const version = tbs.optional(contextTag(0, 'constructed'))
  const inner = version === undefined ? undefined : childrenOf(version, contextTag(0, 'constructed'))
  if (inner?.length !== 1 || inner[0] === undefined || readSmallInteger(inner[0]) !== 2) throw malformed('not version 3')
}

/** Lower-case hex without leading zeros, as node prints it in upper case. */
function readSerial (node: Der): string {
  const content = contentOf(node, tags.integer)
  const first = content[0]
  if (first === undefined || first >= 0x80 || content.length > maxSerialBytes) throw malformed('the serial number is not positive or too long')
  return Buffer.from(content).toString('hex').replace(/^(00)+/, '')
}

function readAlgorithm (inner: Der, outer: Der): string {
  if (!Buffer.from(encodeDer(inner)).equals(encodeDer(outer))) throw malformed('the signature algorithm inside is not the one outside')
  const [oid] = childrenOf(inner)
  if (oid === undefined) throw malformed('no signature algorithm')
  return readOid(oid)
}

function readValidity (node: Der): readonly number[] {
  const fields = new DerFields(node)
  const times = [readTime(fields.next()), readTime(fields.next())]
  fields.end()
  return times
}

function openX509 (bytes: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch (cause) {
    throw malformed('OpenSSL cannot read it', cause)
  }
}

/** A difference between the two readers would be a hole for a certificate that means two things. */
function mustAgree (ours: Certificate, serial: string): void {
  const { x509, keyUsage } = ours
  // OpenSSL calls no certificate a CA whose key usage is there without keyCertSign.
  const mayBeCa = keyUsage.length === 0 || keyUsage.includes('keyCertSign')
  const agree = x509.raw.equals(ours.der) &&
    x509.ca === (ours.ca && mayBeCa) &&
    x509.serialNumber.toLowerCase() === serial &&
    x509.validFromDate.getTime() === ours.notBeforeMs &&
    x509.validToDate.getTime() === ours.notAfterMs
  if (!agree) throw malformed('OpenSSL and we read it differently')
}

function malformed (message: string, cause?: unknown): IdentityError {
  return new IdentityError('malformed', message, { cause })
}
