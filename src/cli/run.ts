/** `liburna run`: an agent from start to end. */

import { loadConfig } from '../config.ts'
import { exitCodes } from './exit-code.ts'
import type { Config, GivenSettings } from '../config.ts'
import type { ExitCode } from './exit-code.ts'

/** What `run` needs of an agent. */
export interface RunningAgent {
  /** Opens the files that it writes again by their names; asked for by SIGHUP. */
  reopenFiles (): void
  /** Lets connections finish within the configured time, then resolves. The rules in the pods stay: new connections fail. */
  stop (): Promise<void>
  /** Rejects when the agent cannot go on, which it has told then; never resolves. There is nothing left to stop. */
  readonly failed?: Promise<never>
}

export interface RunParts {
  readonly startAgent: (config: Config) => Promise<RunningAgent>
  /** The signals of the process; a test has its own. */
  readonly signals: SignalSource
  /** Ends the process at once. */
  readonly exit: (code: number) => void
  /** How long what was asked to end may go on starting, ms. @default 5000 */
  readonly startingMs?: number
}

/** The part of `process` that `run` listens to. */
export interface SignalSource {
  on (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
  off (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
}

/** Resolves when a signal has stopped the agent; throws when it cannot start or go on. A second signal ends the process at once. */
export async function run (file: string, parts: RunParts, given: GivenSettings = {}): Promise<ExitCode> {
  const config = loadConfig(file, given)
  return runUntilStopped(() => parts.startAgent(config), parts)
}

/** As `run`, for whatever `start` starts. */
export async function runUntilStopped (start: () => Promise<RunningAgent>, parts: Pick<RunParts, 'signals' | 'exit' | 'startingMs'>): Promise<ExitCode> {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  let signals = 0
  const onSignal = (): void => {
    signals++
    if (signals > 1) parts.exit(exitCodes.failed)
    ask()
  }
  parts.signals.on('SIGINT', onSignal)
  parts.signals.on('SIGTERM', onSignal)
  const agent: { running?: RunningAgent | undefined } = {}
  // Without a listener SIGHUP would end the process: also while the agent is still starting.
  const onHangUp = (): void => { agent.running?.reopenFiles() }
  parts.signals.on('SIGHUP', onHangUp)
  // It ends when it is told to, not when nothing happens to be open: the one before it may have every port still.
  const alive = setInterval(() => {}, 60_000)
  try {
    agent.running = await Promise.race([start(), asked.then(() => elapsed(parts.startingMs ?? 5000))])
    // It may wait for an API server for ever, and holds nothing before it runs.
    if (agent.running === undefined) parts.exit(exitCodes.ok)
    else await runUntil(asked, agent.running)
    return exitCodes.ok
  } finally {
    clearInterval(alive)
    parts.signals.off('SIGHUP', onHangUp)
    parts.signals.off('SIGINT', onSignal)
    parts.signals.off('SIGTERM', onSignal)
  }
}

function elapsed (ms: number): Promise<undefined> {
  return new Promise(resolve => { setTimeout(resolve, ms, undefined).unref() })
}

async function runUntil (asked: Promise<void>, agent: RunningAgent): Promise<void> {
  await (agent.failed === undefined ? asked : Promise.race([asked, agent.failed]))
  await agent.stop()
}
