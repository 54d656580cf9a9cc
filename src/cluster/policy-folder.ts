/**
 * A folder of policy files as a whole that is always usable.
 *
 * A file that cannot be used keeps its last good objects in force: losing a policy can open a door, so only deleting
 * the file (or writing other objects into it) takes its policies away. An editor that empties a file before it writes
 * it is harmless for that reason. The same holds for the folder itself.
 */

import { lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../lib/error.ts'
import { ClusterError } from './error.ts'
import { parsePolicyFile } from './policy-file.ts'
import { readTextFile } from './yaml.ts'
import type { CheckManifest } from './policy-file.ts'
import type { Manifest, SourceFailure } from './source.ts'

interface FileState {
  readonly manifests: readonly Manifest[]
  /** What was read when `manifests` or `failure` came about. */
  readonly text: string
  /** Identity, size and times of the file then. */
  readonly signature: string
  readonly failure: string | undefined
}

/** Names that are policy files; what begins with a dot is not (editors, `..data` of a mounted ConfigMap). */
const policyFileName = /^[^.].*\.(?:ya?ml|json)$/i

export class PolicyFolder {
  readonly #folder: string
  readonly #check: CheckManifest
  #files = new Map<string, FileState>()
  #failure: string | undefined

  /** Reads everything; throws ClusterError on the first thing that cannot be used, since no good state is there to keep. */
  constructor (folder: string, check: CheckManifest) {
    this.#folder = folder
    this.#check = check
    this.reload()
    const [failure] = this.failures()
    if (failure !== undefined) throw new ClusterError(failure.message, { code: 'manifest-invalid' })
  }

  manifests (): Manifest[] {
    return [...this.#files.values()].flatMap(file => file.manifests)
  }

  failures (): SourceFailure[] {
    const folder = this.#failure === undefined ? [] : [failureOf(this.#folder, this.#failure)]
    return [...folder, ...[...this.#files].flatMap(([file, { failure }]) => failure === undefined ? [] : [failureOf(file, failure)])]
  }

  /**
   * Reads again what may have changed. With `trustTimes`, a file whose size and times are as before is not opened
   * (for the poll); without, every file is (for an event, which can come twice within one tick of the file's clock).
   */
  reload ({ trustTimes = false } = {}): void {
    try {
      const names = readdirSync(this.#folder).filter(name => policyFileName.test(name)).sort()
      this.#files = new Map(names.flatMap(name => this.#stateOf(join(this.#folder, name), trustTimes)))
      this.#failure = undefined
    } catch (error) {
      this.#failure = `${this.#folder}: the folder of policies cannot be read: ${messageOf(error)}`
    }
  }

  #stateOf (file: string, trustTimes: boolean): [string, FileState][] {
    const before = this.#files.get(file)
    const signature = signatureOf(file)
    if (signature === 'gone') return []
    if (trustTimes && before?.signature === signature) return [[file, before]]
    return [[file, this.#read(file, signature, before)]]
  }

  #read (file: string, signature: string, before: FileState | undefined): FileState {
    let text = ''
    try {
      text = readTextFile(file)
      if (before !== undefined && before.text === text && before.signature !== '') return { ...before, signature }
      const manifests = parsePolicyFile(text, file, this.#check)
      if (manifests.length === 0 && before !== undefined && before.manifests.length > 0) {
        throw new ClusterError(`${file}: holds no object any more; delete the file to take its policies away`, { code: 'manifest-invalid' })
      }
      return { manifests, text, signature, failure: undefined }
    } catch (error) {
      // An unreadable file is tried anew each time, hence no signature.
      return { manifests: before?.manifests ?? [], text, signature: '', failure: messageOf(error) }
    }
  }
}

function failureOf (origin: string, message: string): SourceFailure {
  return { origin, source: 'policies', message }
}

/** A link that leads nowhere is there but unreadable; `gone` is only what really is. */
function signatureOf (file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return lstatSync(file, { throwIfNoEntry: false }) === undefined ? 'gone' : 'unreadable'
  }
}
