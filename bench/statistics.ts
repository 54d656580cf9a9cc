/** Sums of a run. Pure. */

/** The middle of the values, or the mean of the two in the middle; NaN of none. */
export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = NaN, high = NaN] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]]
  return (low + high) / 2
}

/** How far the values lie apart: half of the range between the extremes, as a share of the median; 0 of fewer than two. */
export function spread (values: readonly number[]): number {
  if (values.length < 2) return 0
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values)
}
