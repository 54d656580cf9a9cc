/** Time as an argument: nobody but this file and its fake in the tests reads the machine's clock. */

export interface Timer {
  cancel (): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now (): number
  /** Milliseconds that never go backwards, with fractions; only differences mean anything. */
  monotonic (): number
  /** Runs `task` once after `ms`; such a timer never keeps the process alive. */
  after (ms: number, task: () => void): Timer
}

/** Longest delay that Node's timers take (2^31 - 1 ms); a longer one would fire at once. */
const longestTimerMs = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after (ms, task) {
    const timer = setTimeout(task, Math.min(Math.max(0, ms), longestTimerMs))
    timer.unref()
    return { cancel: () => { clearTimeout(timer) } }
  },
}
