/** The certificate authority of one trust domain, with its key on this machine. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { encodeAttributes, maxAttributesBytes } from './attributes.ts'
import { openAuthorityFolder } from './authority-folder.ts'
import { emptyName, encodeName, keyIdOf, signCertificate } from './build.ts'
import { parseCertificate } from './certificate.ts'
import { IdentityError } from './error.ts'
import { maxIntermediates } from './path.ts'
import { isAllowedKey } from './profile.ts'
import { defaultExcludedLabels, signedAttributes } from './signed-labels.ts'
import { authorityExtensions, leafExtensions } from './templates.ts'
import { certificatesIn } from './trust-files.ts'
import { TrustBundles, trustRootOf } from './trust.ts'
import { verifyChain } from './verify.ts'
import { messageOf } from '../lib/error.ts'
import { formatSpiffeId } from '../model/spiffe-id.ts'
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Identity } from '../model/workload.ts'
import type { AuthorityFiles } from './authority-folder.ts'
import type { Certificate } from './certificate.ts'
import type { Issuer } from './issuer.ts'
import type { TrustRoot } from './trust.ts'

/** Settings of an authority. */
export interface AuthorityOptions {
  readonly trustDomain: string
  readonly clock: Clock
  /** Keys of pod labels that are not signed. @default defaultExcludedLabels */
  readonly excludedLabels?: readonly string[]
  /** How far a certificate's begin is back-dated for peers whose clock is behind, ms. @default 60000 */
  readonly backdateMs?: number
  /** @default 16384 */
  readonly maxAttributesBytes?: number
}

const dayMs = 86_400_000
const rootTtlMs = 3653 * dayMs

/**
 * Opens the authority of a folder, and makes its key and root certificate when there is none yet. Several agents may
 * do so at once: all come to have the same key. Throws `bad-authority` with one message about what is wrong.
 */
export function openAuthority (folder: string, options: AuthorityOptions): Authority {
  const files = openAuthorityFolder(folder, () => newAuthorityFiles(options.trustDomain, options.clock.now()))
  try {
    return new Authority(files, options)
  } catch (cause) {
    throw new IdentityError('bad-authority', `authority ${folder}: ${messageOf(cause)}`)
  }
}

/** A fresh key and its root certificate. @param ttlMs ten years without it */
export function newAuthorityFiles (trustDomain: string, nowMs: number, ttlMs: number = rootTtlMs): AuthorityFiles {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyId = keyIdOf(publicKey)
  // With a name of its own, a second root of the same trust domain is not mistaken for the first.
  const name = encodeName('liburna', `root ${Buffer.from(keyId).toString('hex', 0, 8)}`)
  const der = signCertificate({
    issuer: name,
    subject: name,
    notBeforeMs: nowMs - dayMs, // others may know the time better than the machine that starts first
    notAfterMs: nowMs + ttlMs,
    publicKey,
    extensions: authorityExtensions(trustDomain, keyId, keyId, maxIntermediates),
  }, privateKey)
  return { keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificatePem: new X509Certificate(der).toString() }
}

/** What an authority signs with: its root's key, or the key of an intermediate below its root. */
export interface AuthorityMaterial extends AuthorityFiles {
  /** Certificates between the root and what is signed, the one whose key this is first. @default none: the key is the root's */
  readonly intermediatesPem?: string
}

/** Signs certificates of one trust domain. Nothing of it prints the key. */
export class Authority implements Issuer {
  readonly #key: KeyObject
  readonly #options: AuthorityOptions
  readonly #intermediates: readonly Certificate[]
  /** What others need to trust this authority. */
  readonly root: TrustRoot

  /** Throws IdentityError when key, certificate and trust domain do not belong together. */
  constructor ({ keyPem, certificatePem, intermediatesPem }: AuthorityMaterial, options: AuthorityOptions) {
    this.#options = options
    this.#key = keyFrom(keyPem)
    this.root = rootFrom(certificatePem)
    this.#intermediates = intermediatesPem === undefined ? [] : certificatesIn(intermediatesPem).map(parseCertificate)
    const { trustDomain, certificate } = this.root
    if (trustDomain !== options.trustDomain) throw new IdentityError('bad-authority', `it speaks for the trust domain ${trustDomain}, not for ${options.trustDomain}`)
    if (!this.#signer.x509.checkPrivateKey(this.#key)) throw new IdentityError('bad-authority', 'the key is not the one of the certificate')
    if (options.clock.now() > certificate.notAfterMs) throw new IdentityError('bad-authority', `the root certificate ended at ${new Date(certificate.notAfterMs).toISOString()}`)
    if (options.clock.now() > this.notAfterMs) throw new IdentityError('bad-authority', `the intermediate certificate ended at ${new Date(this.notAfterMs).toISOString()}`)
  }

  /** End of the first certificate of its chain to end, ms since the epoch: nothing that it signs is good for longer. */
  get notAfterMs (): number {
    return Math.min(...this.#chain.map(({ notAfterMs }) => notAfterMs))
  }

  /** Signs; the certificate never outlives the root. Rejects with `bad-request`, or with the code by which peers would refuse the result. */
  async issue (identity: Identity, publicKey: KeyObject, ttlMs: number, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    signal?.throwIfAborted()
    return [this.#sign(identity, publicKey, ttlMs), ...this.#intermediates.map(({ der }) => der)]
  }

  #sign (identity: Identity, publicKey: KeyObject, ttlMs: number): Uint8Array {
    this.#check(identity, publicKey, ttlMs)
    const { clock, excludedLabels = defaultExcludedLabels, backdateMs = 60_000 } = this.#options
    const signer = this.#signer
    const nowMs = clock.now()
    const attributes = encodeAttributes(signedAttributes(identity.attributes, excludedLabels), this.#limit)
    const der = signCertificate({
      issuer: signer.subject,
      subject: emptyName,
      notBeforeMs: Math.max(nowMs - backdateMs, ...this.#chain.map(({ notBeforeMs }) => notBeforeMs)),
      notAfterMs: Math.min(nowMs + ttlMs, this.notAfterMs),
      publicKey,
      extensions: leafExtensions(formatSpiffeId(identity.spiffeId), attributes, keyIdOf(publicKey), keyIdIn(signer)),
    }, this.#key)
    this.#validate(der, nowMs)
    return der
  }

  #check ({ spiffeId }: Identity, publicKey: KeyObject, ttlMs: number): void {
    if (spiffeId.trustDomain !== this.root.trustDomain) throw new IdentityError('bad-request', `this authority does not speak for ${spiffeId.trustDomain}`)
    if (!isAllowedKey(publicKey)) throw new IdentityError('bad-request', 'the key to certify is not on P-256 or P-384')
    if (!(ttlMs >= 1000)) throw new IdentityError('bad-request', `a lifetime of ${ttlMs} ms`)
  }

  /** What no peer would accept does not leave the house. */
  #validate (der: Uint8Array, nowMs: number): void {
    const chain = [der, ...this.#intermediates.map(certificate => certificate.der)]
    const verdict = verifyChain(chain, new TrustBundles([this.root]), nowMs, { maxAttributesBytes: this.#limit })
    if (!verdict.ok) throw new IdentityError(verdict.code, `not issued: ${verdict.message}`)
  }

  /** The certificate whose key signs. */
  get #signer (): Certificate { return this.#intermediates[0] ?? this.root.certificate }

  /** From the signer to the root. */
  get #chain (): readonly Certificate[] { return [...this.#intermediates, this.root.certificate] }

  get #limit (): number { return this.#options.maxAttributesBytes ?? maxAttributesBytes }
}

/** As the certificate says: others derive it otherwise than we do (RFC 5280, 4.2.1.2, lets everybody choose). */
function keyIdIn ({ subjectKeyId, x509 }: Certificate): Uint8Array {
  return subjectKeyId === undefined ? keyIdOf(x509.publicKey) : Buffer.from(subjectKeyId, 'hex')
}

/** Says nothing of what the text was. */
function keyFrom (pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new IdentityError('bad-authority', 'the key cannot be read (an unencrypted PKCS#8 key in PEM expected)')
  }
  if (!isAllowedKey(createPublicKey(key))) throw new IdentityError('bad-authority', 'the key is not on P-256 or P-384')
  return key
}

function rootFrom (pem: string): TrustRoot {
  const [der, ...others] = certificatesIn(pem)
  if (der === undefined || others.length > 0) throw new IdentityError('bad-authority', 'exactly one certificate expected')
  return trustRootOf(der)
}
