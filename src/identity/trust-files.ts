/** Roots from PEM files: read at start, read again when told, the last good ones kept when that fails. */

import { readFileSync, statSync } from 'node:fs'
import { IdentityError } from './error.ts'
import { TrustBundles, trustRootOf } from './trust.ts'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import type { Clock } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { TrustRoot, TrustSource } from './trust.ts'

/** The roots of some files. */
export interface LoadedBundle {
  readonly bundles: TrustBundles
  /** For the log: roots that are not valid now. They are kept, since clocks get set right; nothing verifies with them until then. */
  readonly warnings: readonly string[]
}

/** What `FileTrust.reload` did. After a failure the former roots go on to be trusted. */
export type Reload =
  | { readonly ok: true, readonly changed: boolean, readonly warnings: readonly string[] }
  | { readonly ok: false, readonly error: IdentityError }

const maxFileBytes = 1024 * 1024
const maxRoots = 256
const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/g

/** Reads all files, each with one or more roots in PEM; throws `bad-trust` naming the file and what is wrong with it. */
export function loadBundle (files: readonly string[], nowMs: number): LoadedBundle {
  const loaded = files.flatMap(file => rootsOf(file).map(root => ({ file, root })))
  if (loaded.length > maxRoots) throw new IdentityError('bad-trust', `${loaded.length} trusted roots, at most ${maxRoots}`)
  const warnings = loaded.flatMap(({ file, root }) => validityWarning(file, root, nowMs))
  return { bundles: new TrustBundles(loaded.map(({ root }) => root)), warnings }
}

/** Trust in the roots of a list of files that does not change, while their content may. */
export class FileTrust implements TrustSource {
  readonly #files: readonly string[]
  readonly #clock: Clock
  readonly #changes = new Emitter<TrustBundles>()
  /** Of the first load. */
  readonly warnings: readonly string[]
  #bundles: TrustBundles

  /** Reads the files at once; throws as `loadBundle` does. */
  constructor (files: readonly string[], clock: Clock) {
    this.#files = [...files]
    this.#clock = clock
    const { bundles, warnings } = loadBundle(files, clock.now())
    this.#bundles = bundles
    this.warnings = warnings
  }

  bundles (): TrustBundles { return this.#bundles }

  onChange (listener: (bundles: TrustBundles) => void): Unsubscribe {
    return this.#changes.on(listener)
  }

  /** Reads all files again. Does not throw for their sake: a file caught half-written must not end trust in everybody. */
  reload (): Reload {
    let loaded: LoadedBundle
    try {
      loaded = loadBundle(this.#files, this.#clock.now())
    } catch (error) {
      if (error instanceof IdentityError) return { ok: false, error }
      throw error
    }
    const changed = !loaded.bundles.equals(this.#bundles)
    if (changed) {
      this.#bundles = loaded.bundles
      this.#changes.emit(loaded.bundles)
    }
    return { ok: true, changed, warnings: loaded.warnings }
  }
}

function rootsOf (file: string): readonly TrustRoot[] {
  try {
    return certificatesIn(readBounded(file)).map(trustRootOf)
  } catch (cause) {
    throw new IdentityError('bad-trust', `trusted root ${file}: ${messageOf(cause)}`)
  }
}

/** DER of the certificates of a PEM text, in order. */
export function certificatesIn (pem: string): readonly Uint8Array[] {
  const blocks = [...pem.matchAll(pemBlock)]
  const foreign = blocks.find(([, label]) => label !== 'CERTIFICATE')
  if (foreign !== undefined) throw new IdentityError('bad-trust', `it holds a ${String(foreign[1])}; only certificates belong there`)
  if (blocks.length === 0) throw new IdentityError('bad-trust', 'it holds no certificate in PEM')
  return blocks.map(([, , base64 = '']) => Buffer.from(base64, 'base64'))
}

function readBounded (file: string): string {
  const { size } = statSync(file)
  if (size > maxFileBytes) throw new IdentityError('bad-trust', `it takes ${size} bytes, at most ${maxFileBytes}`)
  return readFileSync(file, 'utf8')
}

function validityWarning (file: string, { trustDomain, certificate }: TrustRoot, nowMs: number): readonly string[] {
  const { notBeforeMs, notAfterMs } = certificate
  if (nowMs > notAfterMs) return [`trusted root ${file} of ${trustDomain} ended at ${new Date(notAfterMs).toISOString()}`]
  if (nowMs < notBeforeMs) return [`trusted root ${file} of ${trustDomain} begins at ${new Date(notBeforeMs).toISOString()}`]
  return []
}
