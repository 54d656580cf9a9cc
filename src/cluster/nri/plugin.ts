/**
 * An NRI plugin: registered with the node's container runtime, and again whenever the connection is lost.
 *
 * While it is not registered, pods start unseen, unless the runtime is told to require the plugin (containerd's
 * default validator). What started meanwhile is told at the next registration.
 */

import { backoffMs } from '../../lib/backoff.ts'
import { messageOf } from '../../lib/error.ts'
import { Pause } from '../kubernetes/pause.ts'
import { NriSession } from './session.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../observe/index.ts'
import type { SandboxHandler } from './session.ts'

export interface NriOptions {
  readonly socketPath: string
}

export interface NriParts {
  readonly clock: Clock
  readonly log: Log
  readonly handler: SandboxHandler
  /** Told whether the runtime tells us of pods now. Must not throw. */
  readonly onState: (isConnected: boolean, detail: string) => void
  /** Why we are not to register now, if so; asked before each registration. @default nothing is in the way */
  readonly whyNotNow?: () => string | undefined
}

/** How often it is asked whether something is still in the way, ms. */
const askAgainMs = 1000

/** Plugins are called in the order of their index: late, so that what others refuse has not been captured. */
const registration = { name: 'liburna', index: '90' } as const

export class NriPlugin {
  readonly #options: NriOptions
  readonly #parts: NriParts
  readonly #pause: Pause
  #session: NriSession | undefined
  #attempt = 0
  #isStopped = false
  #isConnected = false

  constructor (options: NriOptions, parts: NriParts) {
    this.#options = options
    this.#parts = parts
    this.#pause = new Pause(parts.clock)
  }

  get isConnected (): boolean { return this.#isConnected }

  start (): void { void this.#run() }

  stop (): void {
    this.#isStopped = true
    this.#pause.wake()
    this.#session?.close()
  }

  async #run (): Promise<void> {
    while (!this.#isStopped) {
      await this.#clearance()
      if (this.#isStopped) return
      const session = new NriSession({ ...this.#options, ...registration, clock: this.#parts.clock, handler: this.#parts.handler, onReady: runtime => { this.#ready(runtime) } })
      this.#session = session
      try {
        await session.ended
      } catch (error) {
        this.#lost(error)
      }
      // Short at the most: pods may start unseen meanwhile.
      if (!this.#isStopped) await this.#pause.for(backoffMs(this.#attempt++, { firstMs: 50, mostMs: 2000 }))
    }
  }

  async #clearance (): Promise<void> {
    const { log, onState, whyNotNow = () => undefined } = this.#parts
    let told = ''
    for (let why = whyNotNow(); why !== undefined && !this.#isStopped; why = whyNotNow()) {
      if (why !== told) {
        log.info('the container runtime is asked later to tell of pods', { why })
        onState(false, why)
      }
      told = why
      await this.#pause.for(askAgainMs)
    }
  }

  #ready (runtime: string): void {
    this.#attempt = 0
    this.#isConnected = true
    this.#parts.log.info('the container runtime tells of pods before they start', { runtime })
    this.#parts.onState(true, runtime)
  }

  #lost (error: unknown): void {
    if (this.#isStopped) return
    if (this.#isConnected || this.#attempt === 0) this.#parts.log.error('the container runtime does not tell of pods; those that start now are not captured before they run', { error })
    this.#isConnected = false
    this.#parts.onState(false, messageOf(error))
  }
}
