/**
 * How an agent ends its service.
 *
 *     refuse new ─▶ serve what the kernel has accepted ─▶ let live connections finish ─▶ end them, leave the namespaces
 *
 * New connections are held by the rules from the first moment on, or are those of the agent that has taken over.
 */

import type { Clock } from './lib/clock.ts'
import type { Enforcer } from './node/index.ts'
import type { Registry } from './proxy/index.ts'

export interface EndingParts {
  readonly enforcer: Pick<Enforcer, 'queued' | 'stopListening'>
  readonly registry: Pick<Registry, 'size'>
  readonly clock: Clock
  /** How long all of it may take, ms. */
  readonly timeoutMs: number
  /** Whether nothing is to be waited for any more. */
  readonly isHurried: () => boolean
}

/** How long a client may take from our SYN-ACK, which makes it believe that it is connected, to its first packet. */
const settleMs = 1000
/** How often we look, ms. */
const lookMs = 50

/** Resolves when no connection is left, or none is to be waited for. The enforcer refuses new ones already. */
export async function finish ({ enforcer, registry, clock, timeoutMs, isHurried }: EndingParts): Promise<void> {
  const start = clock.monotonic()
  const isOver = (ms: number): boolean => clock.monotonic() - start >= Math.min(ms, timeoutMs) || isHurried()
  const until = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) await new Promise<void>(resolve => { clock.after(lookMs, resolve) })
  }
  await until(() => isOver(settleMs))
  await until(() => enforcer.queued === 0 || isOver(timeoutMs))
  enforcer.stopListening()
  await until(() => registry.size === 0 || isOver(timeoutMs))
}
