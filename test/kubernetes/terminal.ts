/** What the programs of this folder have in common: a line for the person, and an ear for their Ctrl-C. */

import { ClusterError } from './error.ts'

/** On stderr: stdout is for what a script wants to read. */
export function say (text: string): void {
  console.error(`cluster: ${text}`)
}

/** Aborts when somebody wants this process to end. */
export function interruption (): AbortSignal {
  const stop = new AbortController()
  const onSignal = (): void => { stop.abort(new ClusterError('interrupted', 'interrupted')) }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  return stop.signal
}
