/**
 * The Secret with the key that signs, in the form that cert-manager writes and operators know: `tls.key`, `tls.crt` (the signer's
 * certificate, then those between it and the root), `ca.crt` (the root; several while one replaces another).
 */

import { IssuerError } from './error.ts'
import { rootIdOf } from './roots.ts'
import { certificatesIn, trustRootOf } from '../identity/index.ts'
import { messageOf } from '../lib/error.ts'
import { X509Certificate } from 'node:crypto'
import type { AuthorityMaterial, TrustRoot } from '../identity/index.ts'
import type { SignerFacts } from './timetable.ts'

/** A signer as it lies in its Secret, with what follows from it. */
export interface Signer extends SignerFacts {
  /** Of its key's certificate. */
  readonly id: string
  readonly material: AuthorityMaterial
  /** All of `ca.crt`. */
  readonly roots: readonly TrustRoot[]
}

export function signerData (keyPem: string, chainPem: string, rootPem: string): Readonly<Record<string, string>> {
  return { 'tls.key': keyPem, 'tls.crt': chainPem, 'ca.crt': rootPem }
}

/** Throws `bad-secret` naming what is wrong. */
export function parseSigner (data: Readonly<Record<string, string>>): Signer {
  try {
    return signerOf(need(data, 'tls.key'), certificatesIn(need(data, 'tls.crt')), certificatesIn(need(data, 'ca.crt')).map(trustRootOf))
  } catch (error) {
    throw new IssuerError('bad-secret', messageOf(error))
  }
}

/** The root of the chain is the one of `ca.crt` that signed its last certificate; it may stand in the chain, too. */
function signerOf (keyPem: string, chain: readonly Uint8Array[], roots: readonly TrustRoot[]): Signer {
  const isRoot = (der: Uint8Array): boolean => roots.some(({ certificate }) => certificate.x509.raw.equals(der))
  const intermediates = chain.filter(der => !isRoot(der)).map(der => new X509Certificate(der))
  const last = intermediates.at(-1) ?? new X509Certificate(chain[0] ?? new Uint8Array())
  const root = roots.find(({ certificate }) => last.issuer === certificate.x509.subject && last.verify(certificate.x509.publicKey))
  if (root === undefined) throw new Error('no root in ca.crt signed the last certificate of tls.crt')
  const path = [...intermediates, root.certificate.x509]
  return {
    id: rootIdOf(path[0]?.raw ?? new Uint8Array()),
    rootId: rootIdOf(root.certificate.der),
    notBeforeMs: Math.max(...path.map(each => each.validFromDate.getTime())),
    notAfterMs: Math.min(...path.map(each => each.validToDate.getTime())),
    material: { keyPem, certificatePem: root.pem, ...intermediates.length > 0 ? { intermediatesPem: intermediates.map(String).join('') } : {} },
    roots,
  }
}

function need (data: Readonly<Record<string, string>>, key: string): string {
  const text = data[key] ?? ''
  if (text === '') throw new Error(`the key ${key} is missing`)
  return text
}
