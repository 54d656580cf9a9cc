/** Delays between tries: exponential with full jitter, so that many retriers do not march in step. */

export interface BackoffOptions {
  /** First ceiling, ms. @default 100 */
  readonly firstMs?: number
  /** Largest ceiling, ms. @default 30000 */
  readonly mostMs?: number
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** The delay before try number `attempt` (0 is the first retry), in ms; never below half its ceiling. */
export function backoffMs (attempt: number, { firstMs = 100, mostMs = 30_000, random = Math.random }: BackoffOptions = {}): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30))
  return ceiling / 2 + random() * ceiling / 2
}
