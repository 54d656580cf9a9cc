/** The standalone source of facts: node.yaml for the workloads, a folder of YAML for the policies. Both are followed. */

import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import { FolderWatch } from './folder-watch.ts'
import { PolicyFolder } from './policy-folder.ts'
import { toLocalWorkloads, workloadChanges } from './workloads.ts'
import type { Clock } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Log } from '../observe/index.ts'
import type { WatchReason } from './folder-watch.ts'
import type { CheckManifest } from './policy-file.ts'
import type { ClusterChange, ClusterSource, LocalWorkload, Manifest, SourceFailure } from './source.ts'
import type { DirectorySettings, Place } from './workloads.ts'

export interface DirectoryOptions {
  readonly place: Place
  /** Absolute path of the file that `settings` came from; it is watched, and `readSettings` reads it. */
  readonly nodeFile: string
  /** Absolute path of the folder of policies. */
  readonly policies: string
  /** What the file said at the start. */
  readonly settings: DirectorySettings
}

export interface DirectoryParts {
  readonly log: Log
  readonly clock: Clock
  /** Reads `nodeFile` again; throws when it cannot be used. */
  readonly readSettings: () => DirectorySettings
  /** Whether policy understands an object; an object that it refuses makes its file unusable. */
  readonly check: CheckManifest
}

export class Directory implements ClusterSource {
  readonly #options: DirectoryOptions
  readonly #parts: DirectoryParts
  readonly #changes = new Emitter<ClusterChange>()
  readonly #folder: PolicyFolder
  readonly #watch: FolderWatch
  #workloads: readonly LocalWorkload[]
  #manifests: readonly Manifest[]
  #nodeFailure: string | undefined
  #failures: readonly SourceFailure[] = []

  /** Reads everything and begins to watch. Throws ClusterError when a policy file cannot be used: nothing good is there to keep. */
  constructor (options: DirectoryOptions, parts: DirectoryParts) {
    this.#options = options
    this.#parts = parts
    this.#workloads = toLocalWorkloads(options.settings, options.place)
    this.#folder = new PolicyFolder(options.policies, parts.check)
    this.#manifests = this.#folder.manifests()
    const folders = [...new Set([options.policies, dirname(options.nodeFile)])]
    this.#watch = new FolderWatch({ folders, clock: parts.clock }, reason => { this.#reload(reason) })
  }

  workloads (): readonly LocalWorkload[] { return this.#workloads }
  manifests (): readonly Manifest[] { return this.#manifests }
  failures (): readonly SourceFailure[] { return this.#failures }
  onChange (listener: (change: ClusterChange) => void): Unsubscribe { return this.#changes.on(listener) }
  stop (): void { this.#watch.stop() }

  /** Reads all that may have changed now, without waiting for the watch. */
  refresh (): void { this.#reload('event') }

  #reload (reason: WatchReason): void {
    const changes = [...this.#reloadWorkloads(), ...this.#reloadPolicies(reason), ...this.#reloadFailures()]
    for (const change of changes) this.#tell(change)
  }

  #reloadWorkloads (): ClusterChange[] {
    try {
      const after = toLocalWorkloads(this.#parts.readSettings(), this.#options.place)
      const changes = workloadChanges(this.#workloads, after)
      this.#workloads = after
      this.#nodeFailure = undefined
      return changes
    } catch (error) {
      this.#nodeFailure = messageOf(error)
      return []
    }
  }

  #reloadPolicies (reason: WatchReason): ClusterChange[] {
    this.#folder.reload({ trustTimes: reason === 'poll' })
    const manifests = this.#folder.manifests()
    if (isDeepStrictEqual(manifests, this.#manifests)) return []
    this.#manifests = manifests
    return [{ kind: 'manifests-replaced', manifests }]
  }

  #reloadFailures (): ClusterChange[] {
    const node = this.#nodeFailure === undefined ? [] : [{ origin: this.#options.nodeFile, source: 'node' as const, message: this.#nodeFailure }]
    const failures = [...node, ...this.#folder.failures()].sort((a, b) => a.origin < b.origin ? -1 : 1)
    if (isDeepStrictEqual(failures, this.#failures)) return []
    this.#failures = failures
    return [{ kind: 'failures-changed', failures }]
  }

  #tell (change: ClusterChange): void {
    try {
      this.#changes.emit(change)
    } catch (error) {
      this.#parts.log.error('a change of the cluster could not be carried out', { change: change.kind, error })
    }
  }
}
