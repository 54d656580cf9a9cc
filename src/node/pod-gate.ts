/**
 * The gate that a pod passes before its first container starts: it waits until the pod is captured, or is refused.
 *
 * A sandbox that was refused is forgotten; the kubelet makes another one.
 */

import { existsSync } from 'node:fs'
import { before } from '../lib/before.ts'
import { messageOf } from '../lib/error.ts'
import { podName } from '../model/occurrence.ts'
import type { KubernetesSource, Sandbox, SandboxHandler } from '../cluster/index.ts'
import type { Log, Metrics, Occurrences } from '../observe/index.ts'

export interface PodGateParts {
  readonly source: Pick<KubernetesSource, 'admit' | 'setSandboxes' | 'removeSandbox'>
  /** Resolves when the rules of the workload are loaded. */
  readonly guarded: (key: string) => Promise<void>
  /** Resolves when the host guard is as the pods are now. @default there is none */
  readonly reviewed?: () => Promise<void>
  /** Called when another sandbox is known, or one is not any more. @default nobody */
  readonly onKnown?: () => void
  readonly log: Log
  readonly metrics: Pick<Metrics, 'podStarted'>
  readonly occurrences: Occurrences
}

/** What becomes of a pod that cannot be captured in time: it is refused, or let in and captured as soon as possible. */
export type Unarmed = 'refuse' | 'admit'

export class PodGate implements SandboxHandler {
  #unarmed: Unarmed
  readonly #parts: PodGateParts

  constructor (unarmed: Unarmed, parts: PodGateParts) {
    this.#unarmed = unarmed
    this.#parts = parts
  }

  /** Refuses no pod from now on: whether it may start is for the agent to say that comes, and what we can arm we still do. */
  leave (): void { this.#unarmed = 'admit' }

  /** A sandbox that has stopped is still told of, but its namespace is gone. */
  synchronize (sandboxes: readonly Sandbox[]): void {
    this.#parts.source.setSandboxes(sandboxes.filter(({ netns }) => netns === '' || existsSync(netns)))
  }

  async run (sandbox: Sandbox, signal: AbortSignal): Promise<void> {
    const { source, guarded, reviewed = noReview, onKnown = () => {}, metrics, occurrences, log } = this.#parts
    const pod = `${sandbox.namespace}/${sandbox.name}`
    try {
      const workload = await source.admit(sandbox, signal)
      onKnown()
      if (workload !== undefined) await before(guarded(workload.key), signal)
      await before(reviewed(), signal)
      metrics.podStarted(workload === undefined ? 'not-selected' : 'captured')
    } catch (error) {
      metrics.podStarted(this.#unarmed === 'refuse' ? 'refused' : 'late')
      occurrences.tell({ about: podName(sandbox), reason: this.#unarmed === 'refuse' ? 'StartRefused' : 'StartedUncaptured', note: messageOf(error), sort: '', isShared: false })
      if (this.#unarmed === 'admit') {
        log.error('a pod starts before it is captured', { pod, error })
        return
      }
      source.removeSandbox(sandbox)
      log.error('a pod cannot be captured and does not start; the kubelet tries again', { pod, error })
      throw new Error(`liburna cannot capture ${pod}: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Resolves when the pod's addresses may be another's. */
  async stop (sandbox: Sandbox): Promise<void> {
    const { source, reviewed = noReview, onKnown = () => {} } = this.#parts
    source.removeSandbox(sandbox)
    onKnown()
    await reviewed()
  }
}

const noReview = (): Promise<void> => Promise.resolve()
