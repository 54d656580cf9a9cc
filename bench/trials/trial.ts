/** One measurement on one path: a bounded load for a bounded time. */

import type { FigureName, Sample } from '../figures.ts'
import type { Pair } from '../pair.ts'
import type { Path } from '../variants/index.ts'

/** A variant that is up, with nginx behind it. */
export interface Subject {
  readonly name: string
  readonly pair: Pair
  readonly path: Path
}

export interface TrialOptions {
  /** How long the load lasts. */
  readonly seconds: number
  /** How long connections are opened for. */
  readonly connectionSeconds: number
  /** Idle connections for the memory trial. */
  readonly idleConnections: number
}

/** Figures that follow from CPU time; on a machine with other work to do they stay truer than rates. */
export type CostName = 'cpu-gigabyte' | 'cpu-request' | 'cpu-connection'

export interface Measured {
  readonly sample: Sample
  /** What makes the sample doubtful, e.g. errors of the load generator. */
  readonly doubts: readonly string[]
  /** How much was done, for the CPU time that the proxies of both nodes took for each unit of it. */
  readonly work?: { readonly figure: CostName, readonly units: number }
  /** For the JSON file: what was seen besides. */
  readonly details?: Readonly<Record<string, unknown>>
}

export interface Trial {
  readonly name: string
  readonly about: string
  readonly figures: readonly FigureName[]
  /** In every round, or once before the first while everything is fresh. */
  readonly when: 'every-round' | 'once'
  /** Throws BenchError 'trial-failed'. */
  run (subject: Subject, options: TrialOptions): Promise<Measured>
}
