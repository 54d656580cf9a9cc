/**
 * Following an AbortSignal that thousands follow: for each listener that comes or goes Node looks through all the others,
 * here it costs the same however many there are.
 */

import { Emitter } from './emitter.ts'

const followed = new WeakMap<AbortSignal, Emitter<unknown>>()

/** Calls `tell` with the reason once `signal` aborts, at once when it has; the result stops listening. */
export function follow (signal: AbortSignal, tell: (reason: unknown) => void): () => void {
  if (signal.aborted) {
    tell(signal.reason)
    return () => {}
  }
  return emitterOf(signal).on(reason => { tell(reason) }) // one listener for each call, also where `tell` is the same
}

function emitterOf (signal: AbortSignal): Emitter<unknown> {
  const known = followed.get(signal)
  if (known !== undefined) return known
  const emitter = new Emitter<unknown>()
  followed.set(signal, emitter)
  signal.addEventListener('abort', () => { emitter.emit(signal.reason) }, { once: true })
  return emitter
}
