#!/usr/bin/env node
/**
 * All tests of a real Kubernetes, in one cluster: `npm run test:cluster`, or with names of test files only those.
 *
 * The first file installs liburna, the others find it there. A cluster that runs already is used and left alone; one that was
 * started here is taken down, whatever happened.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isSomethingLeft } from './down.ts'
import { openCluster } from './cluster.ts'
import { ClusterError } from './error.ts'
import { interruption, say } from './terminal.ts'
import { programs } from './programs.ts'
import { messageOf } from '../../src/lib/error.ts'
import { isCi } from '../fixtures/ci.ts'

/** In this order: what the others stand on first, what takes liburna away last. */
const inCluster = ['cluster', 'client', 'install', 'start', 'connections', 'policies', 'issuer', 'faults', 'upgrade', 'guard', 'walkthrough', 'removal']
/** These want no cluster to run. */
const alone = ['image', 'lifecycle']

const folder = fileURLToPath(new URL('.', import.meta.url))
const tap = fileURLToPath(new URL('../../node_modules/.bin/tap', import.meta.url))

/** Runs test files, one after the other (tap would sort them); resolves with those that failed. */
async function runFiles (names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const failed: string[] = []
  for (const name of names) if (!await runFile(name, signal)) failed.push(name)
  if (failed.length > 0) say(`failed: ${failed.join(', ')}`)
  return failed
}

async function runFile (name: string, signal: AbortSignal): Promise<boolean> {
  // A group of its own: tap, when it is told to end, leaves the process that it has started to itself.
  const child = spawn(tap, ['--timeout=3600', `${folder}${name}.test.ts`], { stdio: 'inherit', detached: true })
  const onAbort = (): void => { if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM') }
  signal.addEventListener('abort', onAbort)
  const [code] = await once(child, 'exit') as [number | null] // an exit has a code, or a signal
  signal.removeEventListener('abort', onAbort)
  signal.throwIfAborted()
  return code === 0
}

async function runInCluster (names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  if (names.length === 0) return []
  await using _cluster = await openCluster({ say, signal })
  return await runFiles(names, signal)
}

/** Resolves with whether all is well. */
async function runSuite (wanted: readonly string[], signal: AbortSignal): Promise<boolean> {
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some(one => one.endsWith(`${name}.test.ts`) || one === name)
  await programs({ say, signal })
  const isOthers = isSomethingLeft()
  // Those that want no cluster are left out where somebody's runs.
  const failedAlone = isOthers ? [] : await runFiles(alone.filter(isWanted), signal)
  const failed = await runInCluster(inCluster.filter(isWanted), signal)
  if (!isCi || isOthers || failed.length === 0) return failedAlone.length + failed.length === 0
  // Kubernetes on two cores has moments of its own. What fails twice, the second time in a cluster that nothing was done to before, is ours.
  say('once more, in a fresh cluster')
  return (await runInCluster(failed, signal)).length + failedAlone.length === 0
}

try {
  process.exitCode = await runSuite(process.argv.slice(2), interruption()) ? 0 : 1
} catch (error) {
  say(messageOf(error))
  const mayBeMissing = error instanceof ClusterError && error.code === 'no-go' && !isCi
  process.exitCode = mayBeMissing ? 0 : error instanceof ClusterError && error.code === 'interrupted' ? 130 : 1
}
