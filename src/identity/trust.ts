/** Whom we believe: root certificates by trust domain. Who vouches for one domain says nothing about another. */

import { parseCertificate } from './certificate.ts'
import { IdentityError } from './error.ts'
import { checkSigner, trustDomainOf } from './profile.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Certificate } from './certificate.ts'

/** A root that has been judged once, when it was loaded; its validity is judged at every use. */
export interface TrustRoot {
  readonly trustDomain: string
  readonly pem: string
  readonly certificate: Certificate
}

/** A provider of the current roots. */
export interface TrustSource {
  bundles (): TrustBundles
  /** Called after a change; the same roots loaded again are no change. */
  onChange (listener: (bundles: TrustBundles) => void): Unsubscribe
}

/** Parses one root; throws `bad-trust` with a message that says what is missing. */
export function trustRootOf (der: Uint8Array): TrustRoot {
  try {
    const certificate = parseCertificate(der)
    const trustDomain = trustDomainOf(certificate)
    if (!certificate.ca) throw new IdentityError('bad-trust', 'it is not the certificate of an authority (CA is false)')
    if (trustDomain === undefined) throw new IdentityError('bad-trust', 'it does not name its trust domain: exactly one URI name spiffe://<trust domain> expected')
    checkSigner(certificate, trustDomain, 0)
    if (!certificate.x509.verify(certificate.x509.publicKey)) throw new IdentityError('bad-trust', 'it is not signed by itself, so it is no root')
    return { trustDomain, pem: certificate.x509.toString(), certificate }
  } catch (cause) {
    if (cause instanceof IdentityError && cause.code === 'bad-trust') throw cause
    throw new IdentityError('bad-trust', 'it cannot be a root', { cause })
  }
}

/** Trust domain -> roots. Immutable; two roots of one domain (while one replaces the other) are equally good. */
export class TrustBundles {
  /** All roots, sorted by trust domain and fingerprint, none twice. */
  readonly roots: readonly TrustRoot[]
  readonly #byDomain: ReadonlyMap<string, readonly TrustRoot[]>

  constructor (roots: readonly TrustRoot[]) {
    const unique = new Map(roots.map(root => [sortKey(root), root]))
    this.roots = [...unique.keys()].sort().flatMap(key => unique.get(key) ?? [])
    this.#byDomain = Map.groupBy(this.roots, ({ trustDomain }) => trustDomain)
  }

  rootsOf (trustDomain: string): readonly TrustRoot[] {
    return this.#byDomain.get(trustDomain) ?? []
  }

  get trustDomains (): readonly string[] {
    return [...this.#byDomain.keys()]
  }

  /** For a TLS library's list of authorities. It cannot tell trust domains apart: `verifyChain` has the last word. */
  get pem (): readonly string[] {
    return this.roots.map(({ pem }) => pem)
  }

  equals (other: TrustBundles): boolean {
    return this.roots.map(sortKey).join() === other.roots.map(sortKey).join()
  }
}

function sortKey ({ trustDomain, certificate }: TrustRoot): string {
  return `${trustDomain} ${certificate.x509.fingerprint256}`
}
