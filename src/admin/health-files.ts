/**
 * Health as files, for probes by command: `alive` is written again and again, `ready` is there while the agent is ready.
 *
 * Two agents of a node run at once while one takes over, and share the node's network. A probe by port would reach
 * either; in the file system of its own container each stands alone.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log } from '../observe/index.ts'

export interface HealthFilesParts {
  readonly isReady: () => boolean
  readonly clock: Clock
  readonly log: Log
}

/** How often both are brought up to date, ms. */
const everyMs = 1000

export class HealthFiles implements Disposable {
  readonly #folder: string
  readonly #parts: HealthFilesParts
  #timer: Timer | undefined
  #isBroken = false

  /** Throws what `fs` throws when the folder cannot be had. */
  constructor (folder: string, parts: HealthFilesParts) {
    this.#folder = folder
    this.#parts = parts
    mkdirSync(folder, { recursive: true })
    this.#write()
  }

  /** Both files are gone then. */
  [Symbol.dispose] (): void {
    this.#timer?.cancel()
    for (const name of ['ready', 'alive']) rmSync(join(this.#folder, name), { force: true })
  }

  #write (): void {
    const { isReady, clock, log } = this.#parts
    try {
      writeFileSync(join(this.#folder, 'alive'), '')
      if (isReady()) writeFileSync(join(this.#folder, 'ready'), '')
      else rmSync(join(this.#folder, 'ready'), { force: true })
      this.#isBroken = false
    } catch (error) {
      if (!this.#isBroken) log.error('the files for probes cannot be written', { error })
      this.#isBroken = true
    }
    this.#timer = clock.after(everyMs, () => { this.#write() })
  }
}
