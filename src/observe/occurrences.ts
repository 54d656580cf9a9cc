/** Who is told of occurrences. */

import type { Occurrence } from '../model/occurrence.ts'

export interface Occurrences {
  /** Returns at once and never throws; whatever cannot be passed on is counted. */
  tell (occurrence: Occurrence): void
}

/** Where there is nobody to tell: log, metrics and records tell it as well. */
export const untold: Occurrences = { tell () {} }
