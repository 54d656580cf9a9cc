/**
 * Counts what is alive of the things that no garbage collector frees: descriptors, pipes, OpenSSL objects.
 *
 * Each owner notes what it makes and strikes what it frees. A test that ends with a count above zero has found a
 * leak; while tracing it is also told who made it.
 */

import { liveFds, traceFds } from './fd.ts'

const live = new Map<object, { readonly kind: string, readonly madeBy: string }>()
let tracing = false

/** `owner` now holds a thing of `kind`. */
export function noteLive (owner: object, kind: string): void {
  live.set(owner, { kind, madeBy: tracing ? new Error('made here').stack ?? '' : '' })
}

/** `owner` has freed what it held. */
export function strikeLive (owner: object): void {
  live.delete(owner)
}

export interface Census {
  /** By kind, of those that are alive in this thread. Kinds of which there is none are not named. */
  readonly counts: Readonly<Record<string, number>>
  /** Stack traces of who made them, while tracing. */
  readonly makers: readonly string[]
}

export function census (): Census {
  const owned = [...live.values(), ...liveFds().map(({ madeBy }) => ({ kind: 'descriptor', madeBy }))]
  const counts: Record<string, number> = {}
  for (const { kind } of owned) counts[kind] = (counts[kind] ?? 0) + 1
  return { counts, makers: owned.map(({ madeBy }) => madeBy).filter(madeBy => madeBy !== '') }
}

/** Whether makers are remembered (a stack trace each: for tests). @default false */
export function traceLive (on: boolean): void {
  tracing = on
  traceFds(on)
}
