/** What SPIFFE asks of certificates (X509-SVID.md, 3 to 5): one profile for leaves, one for those who sign them. */

import { isTrustDomain, parseSpiffeId } from '../model/spiffe-id.ts'
import { IdentityError } from './error.ts'
import { oids } from './oid.ts'
import type { KeyObject } from 'node:crypto'
import type { SpiffeId } from '../model/spiffe-id.ts'
import type { Certificate } from './certificate.ts'
import type { ChainErrorCode } from './error.ts'

/** Node's names of the curves P-256 and P-384. */
const curves: readonly (string | undefined)[] = ['prime256v1', 'secp384r1']
const signatures: readonly string[] = [oids.ecdsaWithSha256, oids.ecdsaWithSha384]
const scheme = 'spiffe://'

/** The leaf's ID; throws the reason why the certificate is no SVID of a workload. */
export function checkLeaf (leaf: Certificate): SpiffeId {
  const [uri = '', ...others] = leaf.uris
  const id = others.length === 0 ? parseSpiffeId(uri) : undefined
  if (id === undefined) throw refused('not-spiffe', leaf.uris.length === 1 ? 'the name is not spiffe://<trust domain>/ns/<namespace>/sa/<account>' : `${leaf.uris.length} URI names, one expected`)
  checkCommon(leaf)
  if (leaf.ca) throw refused('bad-profile', 'the leaf is a certificate authority')
  checkKeyUsage(leaf, 'digitalSignature', 'bad-profile')
  if (leaf.keyUsage.some(usage => usage === 'keyCertSign' || usage === 'cRLSign')) throw refused('bad-profile', 'the leaf may sign certificates or revocation lists')
  if (!servesBothSides(leaf)) throw refused('bad-profile', 'the leaf is not for both server and client')
  return id
}

/** Throws the reason why `signer` may not sign for `trustDomain` with `below` intermediates between it and the leaf. */
export function checkSigner (signer: Certificate, trustDomain: string, below: number): void {
  checkCommon(signer)
  if (!signer.ca) throw refused('bad-path', 'signed by a certificate that is no authority')
  checkKeyUsage(signer, 'keyCertSign', 'bad-path')
  if (signer.pathLength !== undefined && below > signer.pathLength) throw refused('bad-path', 'more intermediates than an authority allows')
  // As most libraries do, an authority's purposes bound those of what it signs.
  if (signer.extendedKeyUsage.length > 0 && !servesBothSides(signer)) throw refused('bad-profile', 'an authority is not for both server and client')
  if (signer.uris.length > 0 && trustDomainOf(signer) !== trustDomain) throw refused('other-trust-domain', 'an authority of another trust domain')
}

/** The trust domain that a signing certificate names itself by; `undefined` when it names none, several or something else. */
export function trustDomainOf ({ uris }: Certificate): string | undefined {
  const [uri = '', ...others] = uris
  const domain = uri.startsWith(scheme) && others.length === 0 ? uri.slice(scheme.length) : ''
  return isTrustDomain(domain) ? domain : undefined
}

/** Whether keys of this kind are certified and believed: ECDSA on P-256 or P-384. */
export function isAllowedKey (key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && curves.includes(key.asymmetricKeyDetails?.namedCurve)
}

function checkCommon (certificate: Certificate): void {
  const { critical, unknown } = certificate
  const stranger = critical.find(oid => unknown.includes(oid))
  if (stranger !== undefined) throw refused('bad-profile', `the critical extension ${stranger} is unknown`)
  // RFC 5280 lets them only be critical. To ignore a constraint because it is not would be generous at the wrong place.
  if (unknown.includes(oids.nameConstraints)) throw refused('bad-profile', 'name constraints are not supported')
  if (!signatures.includes(certificate.signatureAlgorithm)) throw refused('bad-algorithm', `signature algorithm ${certificate.signatureAlgorithm}`)
  if (!isAllowedKey(certificate.x509.publicKey)) throw refused('bad-algorithm', 'the key is not on P-256 or P-384')
}

function checkKeyUsage ({ keyUsage, critical }: Certificate, usage: 'digitalSignature' | 'keyCertSign', code: ChainErrorCode): void {
  if (!keyUsage.includes(usage)) throw refused(code, `the key usage is not ${usage}`)
  if (!critical.includes(oids.keyUsage)) throw refused(code, 'the key usage is not critical')
}

function servesBothSides ({ extendedKeyUsage }: Certificate): boolean {
  return extendedKeyUsage.includes(oids.serverAuth) && extendedKeyUsage.includes(oids.clientAuth)
}

function refused (code: ChainErrorCode, message: string): IdentityError {
  return new IdentityError(code, message)
}
