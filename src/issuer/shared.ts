/** What the replicas of the issuer share: the roots, the signer, the published bundle. Each is read whole and replaced as a whole, or not at all. */

import { IssuerError } from './error.ts'
import { formatRoots, parseRoots, rootsKey } from './roots.ts'
import { parseSigner } from './signer.ts'
import type { RootEntry } from './roots.ts'
import type { Signer } from './signer.ts'
import type { Publisher, SecretStore, StoredData } from './sources.ts'

/** Names of the objects. */
export interface SharedNames {
  readonly rootsSecret: string
  readonly signerSecret: string
  readonly bundleConfigMap: string
}

/** The three as they were at about the same time. */
export interface SharedState {
  readonly bundle: StoredData | undefined
  readonly roots: readonly RootEntry[]
  readonly rootsVersion: string | undefined
  readonly signer: Signer | undefined
  readonly signerVersion: string | undefined
}

/** Somebody else wrote first: everything has to be looked at again. */
export const conflict = Symbol('conflict')

export class Shared {
  readonly #names: SharedNames
  readonly #secrets: SecretStore
  readonly #publisher: Publisher

  constructor (names: SharedNames, secrets: SecretStore, publisher: Publisher) {
    this.#names = names
    this.#secrets = secrets
    this.#publisher = publisher
  }

  /**
   * The bundle is read before the roots: whoever then writes the bundle from older roots than it was made of finds its
   * version changed, and cannot take back what another replica has published.
   */
  async read (signal: AbortSignal): Promise<SharedState> {
    const { rootsSecret, signerSecret, bundleConfigMap } = this.#names
    const bundle = await this.#publisher.read(bundleConfigMap, signal)
    const roots = await this.#secrets.read(rootsSecret, signal)
    const signer = await this.#secrets.read(signerSecret, signal)
    return {
      bundle,
      roots: roots === undefined ? [] : named(rootsSecret, () => parseRoots(roots.data[rootsKey] ?? '')),
      rootsVersion: roots?.version,
      signer: signer === undefined ? undefined : named(signerSecret, () => parseSigner(signer.data)),
      signerVersion: signer?.version,
    }
  }

  async writeRoots (roots: readonly RootEntry[], { rootsVersion }: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    return await this.#secrets.write(this.#names.rootsSecret, { [rootsKey]: formatRoots(roots) }, rootsVersion, signal) === undefined ? conflict : undefined
  }

  async writeSigner (data: Readonly<Record<string, string>>, { signerVersion }: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    return await this.#secrets.write(this.#names.signerSecret, data, signerVersion, signal) === undefined ? conflict : undefined
  }

  async writeBundle (data: Readonly<Record<string, string>>, { bundle }: SharedState, signal: AbortSignal): Promise<typeof conflict | undefined> {
    return await this.#publisher.write(this.#names.bundleConfigMap, data, bundle?.version, signal) === undefined ? conflict : undefined
  }
}

function named<T> (secret: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof IssuerError) throw new IssuerError(error.code, `Secret ${secret}: ${error.message}`)
    throw error
  }
}
