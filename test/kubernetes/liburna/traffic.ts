/** Traffic between pods, as the pod that calls tells of it (`traffic-program.ts`). */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { agentImage } from '../image.ts'
import { waitFor } from '../wait.ts'
import { PodLogs } from './pod-log.ts'
import type { ClusterNode } from '../node.ts'
import type { PodRun } from './manifests.ts'

const program = readFileSync(fileURLToPath(new URL('traffic-program.ts', import.meta.url)), 'utf8')

/** A container that echoes on a port. */
export function echoServer (port: number): PodRun {
  return { image: agentImage, run: nodeRun(['serve', String(port)]) }
}

/** A container that keeps calling `host:port`; `Traffic` tells how it fares. */
export function caller (place: string, pauseMs = 50): PodRun {
  return { image: agentImage, run: nodeRun(['call', place, String(pauseMs)]) }
}

function nodeRun (args: readonly string[]): readonly string[] {
  return ['node', '--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', program, ...args]
}

/** `new`: a connection that was just opened. `live`: the one that stays open. */
export type TrafficKind = 'new' | 'live'

/** A result that differs from the one before it. */
export interface Change {
  readonly at: number
  /** When the connection was begun. */
  readonly beganAt: number
  readonly kind: TrafficKind
  /** `ok`, or why not. */
  readonly result: string
}

export interface Sums {
  /** Connections that were begun; those that are not among the others are held. */
  readonly begun: number
  readonly ok: number
  readonly failed: number
  readonly slowestMs: number
}

export class Traffic implements Disposable {
  readonly #logs: PodLogs

  /** Of the container `main` of a pod that runs, or ran. */
  constructor (node: ClusterNode, namespace: string, pod: string) {
    this.#logs = new PodLogs(node, new RegExp(`^${namespace}_${pod}_[^/]*/main$`))
  }

  changes (): readonly Change[] { return this.#told().filter(line => line.kind !== 'sum') as Change[] /* as the program writes them */ }

  /** The last result. */
  result (kind: TrafficKind): string { return this.changes().findLast(change => change.kind === kind)?.result ?? '' }

  /** Since the beginning, as of the last second. */
  sums (): Sums {
    const last = this.#told().findLast(line => line.kind === 'sum')
    return last === undefined ? { begun: 0, ok: 0, failed: 0, slowestMs: 0 } : last as unknown as Sums // as the program writes them
  }

  /** Resolves, with the change, when both kinds get through, or neither does. */
  async settles (wanted: 'allowed' | 'denied', withinMs = 120_000): Promise<Readonly<Record<TrafficKind, Change>>> {
    return waitFor(() => {
      const changes = this.changes()
      const [fresh, live] = (['new', 'live'] as const).map(kind => changes.findLast(change => change.kind === kind))
      if (fresh === undefined || live === undefined) return undefined
      const fits = [fresh, live].every(({ result }) => (result === 'ok') === (wanted === 'allowed'))
      return fits ? { new: fresh, live } : undefined
    }, { withinMs, pauseMs: 20 })
  }

  /** Resolves when `count` more connections have been begun, and none of them is held any more. */
  async goesOn (count = 20): Promise<Sums> {
    const { begun } = await this.tries(count)
    return waitFor(() => total(this.sums()) >= begun ? this.sums() : undefined, { withinMs: 90_000 })
  }

  /** Resolves when `count` more connections have been begun, whatever becomes of them. */
  async tries (count = 20): Promise<Sums> {
    const before = this.sums().begun
    return waitFor(() => this.sums().begun >= before + count ? this.sums() : undefined, { withinMs: 60_000 })
  }

  [Symbol.dispose] (): void { this.#logs[Symbol.dispose]() }

  #told (): readonly { readonly kind: string }[] {
    return this.#logs.lines().filter(line => line.startsWith('{')).map(line => JSON.parse(line) as { kind: string } /* as the program writes them */)
  }
}

function total ({ ok, failed }: Sums): number { return ok + failed }
