/**
 * The network namespace of one workload, held from the first try to arm it until it is let go.
 *
 *     waiting ─▶ guarded (everything is judged or held) ─▶ captured (and served)
 *        ▲          │ another agent, that started later, has it          │ the namespace is gone
 *        ├──────────┴─▶ elsewhere ─▶ (tried again)                       │
 *        └───────────────────────────────────────────────────────────────┘
 *
 * A namespace that fails is tried again, alone, for as long as the workload is known. From the first success on the
 * rules stay in the namespace whatever happens to us; only `leave('disarm')` takes them away.
 *
 * When an agent that started before us serves it, we take over only when we can serve: with a certificate, and
 * accepting. Otherwise the guard comes first, and the certificate after it.
 */

import { statSync } from 'node:fs'
import { backoffMs } from '../lib/backoff.ts'
import { messageOf } from '../lib/error.ts'
import type { Capture, PodCapture } from '../capture/index.ts'
import type { Exclusions, LocalWorkload } from '../cluster/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log, Readiness } from '../observe/index.ts'
import type { Listening } from '../relay/index.ts'

export type HoldingState = 'waiting' | 'guarded' | 'captured' | 'elsewhere'

export interface HoldingParts {
  readonly capture: Capture
  readonly clock: Clock
  readonly log: Log
  readonly readiness: Readiness
  /** Aborts when the workload is to be let go. */
  readonly closing: AbortSignal
  /** Resolves when the workload can prove who it is. */
  readonly certified: () => Promise<unknown>
  /** Told when what rests of the workload cannot be gone on with: the namespace is held no longer, or by other rules. */
  readonly unsettled: () => void
  /** Told when it fails again and again. */
  readonly notCaptured: (why: string) => void
  /** Begins to serve what comes. */
  readonly serve: (capture: PodCapture) => Promise<readonly Listening[]>
}

/** How often we look whether the namespace is still the one that we have armed, and is still another agent's, ms. */
const lookMs = 1000

/** Tries that fail, about a second in all, before the cluster is told. */
const tellAttempt = 3

export class Holding {
  readonly #parts: HoldingParts
  readonly #condition: string
  #workload: LocalWorkload
  #state: HoldingState = 'waiting'
  #capture: PodCapture | undefined
  #inode: bigint | undefined
  #listening: readonly Listening[] = []
  #timer: Timer | undefined
  #attempt = 0
  #isRefusing = false
  #work: Promise<void> = Promise.resolve()
  readonly #guarded = Promise.withResolvers<void>()

  constructor (workload: LocalWorkload, parts: HoldingParts) {
    this.#workload = workload
    this.#parts = parts
    this.#condition = `capture of ${workload.key}`
  }

  get state (): HoldingState { return this.#state }
  /** Resolves when rules of ours, or of another agent that lives, are in force for the first time. */
  get guarded (): Promise<void> { return this.#guarded.promise }
  /** What is armed now. */
  get capture (): PodCapture | undefined { return this.#capture }
  /** Connections that nobody has taken from the kernel yet. */
  get queued (): number { return this.#capture?.queued ?? 0 }

  start (): void {
    this.#parts.readiness.awaits(this.#condition, 'not armed yet')
    this.#work = this.#arm()
  }

  /** Of the same namespace, other facts. */
  change (workload: LocalWorkload, exclusions: boolean): void {
    this.#workload = workload
    if (exclusions) this.#work = this.#work.then(() => this.#exclude(workload.exclude))
  }

  /** Takes nothing new from now on: the rules hold it, or another agent has it. What the kernel has accepted is still served. */
  refuseNew (): void {
    this.#isRefusing = true
    this.#timer?.cancel()
    this.#capture?.refuseNew()
  }

  stopListening (): void {
    for (const listening of this.#listening) void listening.close()
    this.#listening = []
  }

  /** `keep` leaves the rules. Never rejects. The caller has aborted `closing`. */
  async leave (rules: 'disarm' | 'keep'): Promise<void> {
    this.#timer?.cancel()
    this.#parts.readiness.met(this.#condition) // at once: the next workload of this name awaits the same
    this.stopListening()
    await this.#work
    this.stopListening()
    await this.#letGo(rules)
  }

  /** Arms once; a failure is told and tried again later. Never rejects. */
  async #arm (): Promise<void> {
    const { netns, key, exclude } = this.#workload
    try {
      this.#inode = inodeOf(netns)
      const capture = await this.#parts.capture.open({ netns, name: key, exclude: rangesOf(exclude) })
      this.#capture = capture
      if (this.#isRefusing) capture.refuseNew()
      if (capture.neighbour !== 'nobody') this.#is('guarded')
      if (capture.neighbour === 'earlier') await this.#serve(capture)
      if (capture.neighbour === 'later' || await capture.arm() === 'elsewhere') { this.#yield(); return }
      this.#is('guarded')
      if (capture.neighbour === 'nobody') await this.#serve(capture)
      if (!this.#isRefusing) this.#captured(capture)
    } catch (error) {
      this.#retry(error)
    }
  }

  /** Connections wait in the listeners' queues until they can be proven. An agent that ends serves nothing new. */
  async #serve (capture: PodCapture): Promise<void> {
    if (this.#isRefusing) return
    await this.#parts.certified()
    this.#listening = await this.#parts.serve(capture)
  }

  #captured (capture: PodCapture): void {
    if (this.#parts.closing.aborted) return
    const { netns, mode, exclude } = this.#workload
    this.#is('captured')
    this.#attempt = 0
    this.#parts.readiness.met(this.#condition)
    this.#parts.log.info('workload is captured', { netns, mode, excluded: describe(exclude), takenOver: capture.neighbour === 'earlier' })
    this.#next(lookMs, () => { this.#look() })
  }

  #is (state: HoldingState): void {
    this.#state = state
    if (state === 'guarded') this.#guarded.resolve()
  }

  /** An agent that started after us has it: it stays so while that one lives. */
  #yield (): void {
    if (this.#parts.closing.aborted) return
    if (this.#state !== 'elsewhere') this.#parts.log.info('another agent, which started later, captures the workload')
    this.#release('elsewhere')
    this.#parts.readiness.met(this.#condition)
    this.#next(lookMs, () => { this.#work = this.#arm() })
  }

  #retry (error: unknown): void {
    if (this.#parts.closing.aborted) return
    this.#release('waiting')
    this.#parts.unsettled()
    this.#parts.readiness.awaits(this.#condition, messageOf(error))
    // A pod that ends takes its namespace along a moment before we hear of it.
    if (this.#attempt >= tellAttempt) this.#parts.notCaptured(messageOf(error))
    this.#parts.log[this.#attempt === 0 ? 'error' : 'debug']('workload cannot be captured; it is tried again', { error })
    this.#next(backoffMs(this.#attempt++, { firstMs: 200, mostMs: 5000 }), () => { this.#work = this.#arm() })
  }

  #release (state: HoldingState): void {
    this.stopListening()
    this.#capture?.release()
    this.#capture = undefined
    this.#is(state)
  }

  /** The namespace may be gone, or another one may stand under its name. */
  #look (): void {
    if (inodeOf(this.#workload.netns) === this.#inode) { this.#next(lookMs, () => { this.#look() }); return }
    this.#parts.log.warn('the namespace of the workload is gone')
    this.#retry(new Error(`${this.#workload.netns} is gone`))
  }

  async #exclude (exclude: Exclusions): Promise<void> {
    try {
      await this.#capture?.exclude(rangesOf(exclude))
      this.#parts.unsettled()
      this.#parts.log.warn('exclusions have changed', { excluded: describe(exclude) })
    } catch (error) {
      this.#parts.log.error('exclusions could not be changed; the former ones stay', { error })
    }
  }

  async #letGo (rules: 'disarm' | 'keep'): Promise<void> {
    const capture = this.#capture
    this.#capture = undefined
    if (capture === undefined) return
    if (rules === 'keep') { capture.release(); return }
    try {
      const by = await capture.disarm()
      this.#parts.log.info(by === 'here' ? 'workload is let go' : 'workload is left to another agent')
    } catch (error) {
      capture.release()
      this.#parts.log.error('the rules could not be removed', { error })
    }
  }

  #next (ms: number, task: () => void): void {
    this.#timer?.cancel()
    if (!this.#parts.closing.aborted && !this.#isRefusing) this.#timer = this.#parts.clock.after(ms, task)
  }
}

/** Identity of a namespace: inode of the file that stands for it; `undefined` without one. */
function inodeOf (netns: string): bigint | undefined {
  return statSync(netns.startsWith('/') ? netns : `/run/netns/${netns}`, { bigint: true, throwIfNoEntry: false })?.ino
}

function rangesOf ({ inboundPorts, outboundPorts, cidrs }: Exclusions): Parameters<Capture['open']>[0]['exclude'] {
  const range = (port: number): { from: number, to: number } => ({ from: port, to: port })
  return { inboundPorts: inboundPorts.map(range), outboundPorts: outboundPorts.map(range), cidrs }
}

/** For the log: every hole that somebody asked for. */
function describe ({ inboundPorts, outboundPorts, cidrs }: Exclusions): object {
  return { inboundPorts, outboundPorts, cidrs: cidrs.map(({ text }) => text) }
}
