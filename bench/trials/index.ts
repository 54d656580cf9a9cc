/** All that is measured. */

import { connections } from './connections.ts'
import { memory } from './memory.ts'
import { requests1, requests64 } from './requests.ts'
import { throughput1, throughput8 } from './throughput.ts'
import type { Trial } from './trial.ts'

export type { Measured, Subject, Trial, TrialOptions } from './trial.ts'

/** In the order in which they run. */
export const trials: readonly Trial[] = [memory, throughput1, throughput8, requests1, requests64, connections]
