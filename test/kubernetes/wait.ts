/** Waiting for a condition that costs a process to ask for: slower than `eventually`, and it can be called off. */

export interface WaitOptions {
  readonly withinMs: number
  /** Between two tries. @default 200 */
  readonly pauseMs?: number
  readonly signal?: AbortSignal | undefined
}

/** Resolves with what `probe` returns once it neither throws nor returns `undefined` or `false`; rejects with the last failure. */
export async function waitFor<T> (probe: () => T | Promise<T>, { withinMs, pauseMs = 200, signal }: WaitOptions): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + withinMs
  for (let last: unknown; ;) {
    signal?.throwIfAborted()
    try {
      const value = await probe()
      // What is left after undefined and false is what the caller asked for.
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms`, { cause: last })
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
}
