/** From readings to the figures of each variant. Pure. */

import { figureNames } from './figures.ts'
import { median, spread } from './statistics.ts'
import type { Reading } from './campaign.ts'
import type { FigureName } from './figures.ts'

export interface Value {
  /** Median of the rounds. */
  readonly median: number
  /** Half the range as a share of the median. */
  readonly spread: number
  readonly rounds: number
  readonly doubtful: boolean
}

/** By variant, then by figure; what was not measured is not there. */
export type Results = Readonly<Record<string, Readonly<Partial<Record<FigureName, Value>>>>>

/** `order` is that of the variants. */
export function resultsOf (readings: readonly Reading[], order: readonly string[]): Results {
  const variants = order.filter(name => readings.some(({ variant }) => variant === name))
  return Object.fromEntries(variants.map(variant => [variant, figuresOf(readings.filter(reading => reading.variant === variant))]))
}

function figuresOf (readings: readonly Reading[]): Results[string] {
  return Object.fromEntries(figureNames.flatMap(name => {
    const having = readings.filter(({ sample }) => sample[name] !== undefined)
    const values = having.map(({ sample }) => sample[name] ?? NaN)
    if (values.length === 0) return []
    return [[name, { median: median(values), spread: spread(values), rounds: values.length, doubtful: having.some(({ doubts }) => doubts.length > 0) }]]
  }))
}
