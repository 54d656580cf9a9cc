/** Times in a few words. */

/** Median, 99th percentile and longest of times in ms, for people. */
export function spread (times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  // Nearest rank: the 99th percentile of fewer than a hundred is the longest.
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
  return `${rank(0.5)} ms (median), ${rank(0.99)} ms (p99), ${rank(1)} ms (longest of ${sorted.length})`
}
