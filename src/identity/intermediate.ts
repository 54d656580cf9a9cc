/** An authority below a root: signs day by day, so that the root's key need not. */

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { encodeName, keyIdOf, signCertificate } from './build.ts'
import { authorityExtensions } from './templates.ts'
import { trustRootOf } from './trust.ts'
import { certificatesIn } from './trust-files.ts'
import type { AuthorityFiles } from './authority-folder.ts'

/** How far its begin lies back, for agents whose clock is behind; ms. */
const backdateMs = 3_600_000

/**
 * A fresh key and its certificate, signed by `root`, which it does not outlive. It may sign leaves only. Throws
 * IdentityError when `root` is none.
 */
export function newIntermediateFiles (root: AuthorityFiles, nowMs: number, ttlMs: number): AuthorityFiles {
  const [der = new Uint8Array()] = certificatesIn(root.certificatePem)
  const { certificate, trustDomain } = trustRootOf(der)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyId = keyIdOf(publicKey)
  const signed = signCertificate({
    issuer: certificate.subject,
    subject: encodeName('liburna', `intermediate ${Buffer.from(keyId).toString('hex', 0, 8)}`),
    notBeforeMs: Math.max(nowMs - backdateMs, certificate.notBeforeMs),
    notAfterMs: Math.min(nowMs + ttlMs, certificate.notAfterMs),
    publicKey,
    extensions: authorityExtensions(trustDomain, keyId, keyIdOf(certificate.x509.publicKey), 0),
  }, createPrivateKey(root.keyPem))
  return { keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificatePem: new X509Certificate(signed).toString() }
}
