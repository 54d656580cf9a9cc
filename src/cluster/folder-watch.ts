/**
 * Hears that something in a folder may have changed: by inotify at once, by asking every few seconds in any case
 * (network file systems and exhausted inotify limits tell nothing, and a folder that is replaced takes its watch along).
 */

import { statSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import type { Clock, Timer } from '../lib/clock.ts'

export interface FolderWatchOptions {
  readonly folders: readonly string[]
  readonly clock: Clock
  /** Quiet time after an event before it is told: a file is often written in several steps. @default 100 */
  readonly quietMs?: number
  /** An event is told at the latest after this, however busy the folder is. @default 500 */
  readonly mostMs?: number
  /** @default 5000 */
  readonly pollMs?: number
}

/** What led to the call: an event of the folder, or just time. */
export type WatchReason = 'event' | 'poll'

export class FolderWatch {
  readonly #options: Required<FolderWatchOptions>
  readonly #changed: (reason: WatchReason) => void
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher, readonly inode: string }>()
  #quiet: Timer | undefined
  #poll: Timer | undefined
  #firstEventMs: number | undefined
  #stopped = false

  /** `changed` may be called when nothing has changed, and must not throw. */
  constructor (options: FolderWatchOptions, changed: (reason: WatchReason) => void) {
    this.#options = { quietMs: 100, mostMs: 500, pollMs: 5000, ...options }
    this.#changed = changed
    this.#watchAll()
    this.#pollLater()
  }

  stop (): void {
    this.#stopped = true
    this.#quiet?.cancel()
    this.#poll?.cancel()
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #pollLater (): void {
    this.#poll = this.#options.clock.after(this.#options.pollMs, () => {
      this.#watchAll()
      this.#changed('poll')
      if (!this.#stopped) this.#pollLater()
    })
  }

  #event (): void {
    const { clock, quietMs, mostMs } = this.#options
    const now = clock.monotonic()
    this.#firstEventMs ??= now
    this.#quiet?.cancel()
    this.#quiet = clock.after(Math.max(0, Math.min(quietMs, this.#firstEventMs + mostMs - now)), () => {
      this.#firstEventMs = undefined
      this.#watchAll()
      this.#changed('event')
    })
  }

  #watchAll (): void {
    for (const folder of this.#options.folders) this.#watchOne(folder)
  }

  /** Watches the folder that has the name now; the poll covers for a watch that cannot be had. */
  #watchOne (folder: string): void {
    const inode = inodeOf(folder)
    const before = this.#watchers.get(folder)
    if (before !== undefined && before.inode === inode) return
    before?.watcher.close()
    this.#watchers.delete(folder)
    if (inode === '') return
    try {
      const watcher = watch(folder, { persistent: false }, () => { this.#event() })
      watcher.on('error', () => { watcher.close(); this.#watchers.delete(folder) })
      this.#watchers.set(folder, { watcher, inode })
    } catch { /* the poll hears it */ }
  }
}

function inodeOf (folder: string): string {
  const stat = statSync(folder, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`
}
