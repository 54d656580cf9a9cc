/** From a leaf to a root (RFC 5280, 6.1): names, keys, signatures, who may sign, how deep. Validity in time is not looked at here. */

import { IdentityError } from './error.ts'
import { checkSigner } from './profile.ts'
import type { Certificate } from './certificate.ts'
import type { TrustBundles, TrustRoot } from './trust.ts'

/** Intermediates between leaf and root. */
export const maxIntermediates = 2

/**
 * The certificates from `leaf` to a root of `trustDomain`, both included; throws the reason when there is no such path.
 * `presented` are the certificates behind the leaf, each signing the one before. The root itself may be among them, as the last.
 */
export function findPath (leaf: Certificate, presented: readonly Certificate[], trustDomain: string, trust: TrustBundles): readonly Certificate[] {
  const roots = trust.rootsOf(trustDomain)
  const last = presented.at(-1)
  const withRoot = last !== undefined && roots.some(({ certificate }) => certificate.x509.raw.equals(last.der))
  const below = [leaf, ...withRoot ? presented.slice(0, -1) : presented]
  if (below.length > maxIntermediates + 1) throw new IdentityError('bad-path', `more than ${maxIntermediates} intermediates`)
  // In the order of cost: names, then who may sign, then signatures; and no signature at all where no root is in sight.
  const links = below.slice(1).map((signer, i) => ({ child: below[i] ?? leaf, signer }))
  if (!links.every(({ child, signer }) => names(child, signer))) throw new IdentityError('bad-path', 'a certificate is not followed by its issuer')
  const path = [...below, rootFor(below.at(-1) ?? leaf, roots, trust).certificate]
  path.slice(1).forEach((signer, i) => { checkSigner(signer, trustDomain, i) })
  if (!links.every(({ child, signer }) => signed(child, signer))) throw new IdentityError('bad-signature', 'a signature does not verify')
  return path
}

/** The root that signed `top`; of two with the same name, the one whose key fits. */
function rootFor (top: Certificate, roots: readonly TrustRoot[], trust: TrustBundles): TrustRoot {
  const named = roots.filter(({ certificate }) => names(top, certificate))
  const found = named.find(({ certificate }) => signed(top, certificate))
  if (found !== undefined) return found
  if (named.length > 0) throw new IdentityError('bad-signature', 'a root that we trust did not sign it')
  const foreign = trust.roots.find(({ certificate }) => names(top, certificate) && signed(top, certificate))
  if (foreign !== undefined) throw new IdentityError('other-trust-domain', `signed by an authority of ${foreign.trustDomain}, which does not speak for this id`)
  throw new IdentityError('untrusted-root', 'leads to no root that we trust')
}

/** Whether `child` says that `signer` issued it: by name and, where both have one, by key id. */
function names (child: Certificate, signer: Certificate): boolean {
  const { authorityKeyId } = child
  const { subjectKeyId } = signer
  return child.issuer.equals(signer.subject) &&
    (authorityKeyId === undefined || subjectKeyId === undefined || authorityKeyId === subjectKeyId)
}

function signed (child: Certificate, signer: Certificate): boolean {
  return child.x509.verify(signer.x509.publicKey)
}
