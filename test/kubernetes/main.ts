#!/usr/bin/env node
/** The test cluster from the command line: `up`, `down`, `status`. */

import { components } from './components.ts'
import { isSomethingLeft, takeDown } from './down.ts'
import { ClusterError } from './error.ts'
import { takeLock } from './lock.ts'
import { Machine } from './machine.ts'
import { machineNames } from './network.ts'
import { isRunning } from './parts.ts'
import { adminKubeconfig, logFolder } from './paths.ts'
import { binFolder, bringUp, isUp } from './up.ts'
import { messageOf } from '../../src/lib/error.ts'

const usage = `usage: main.ts up|down|status
  up      builds what is missing (minutes, once), starts a cluster of two nodes, and leaves it running
  down    ends it and removes every trace of it
  status  says what runs`

function say (text: string): void {
  console.error(`cluster: ${text}`)
}

async function up (): Promise<void> {
  const stop = new AbortController()
  const onSignal = (): void => { stop.abort(new ClusterError('interrupted', 'interrupted')) }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  const outcome = await bringUp({ say, signal: stop.signal })
  say(outcome === 'started' ? 'up' : 'it was up already')
  say('paste this, then kubectl is the cluster\'s own:')
  console.log(`export KUBECONFIG=${adminKubeconfig} PATH=${binFolder()}:$PATH`)
}

async function down (): Promise<void> {
  using _lock = await takeLock(say)
  if (isSomethingLeft()) await takeDown(say)
  else say('there is nothing to take down')
}

function status (): void {
  console.log(isUp() ? 'up' : isSomethingLeft() ? 'partly up: `up` starts it afresh, `down` removes it' : 'down')
  if (!isSomethingLeft()) return
  for (const name of machineNames) console.log(`  ${name.padEnd(20)} ${new Machine(name).init === undefined ? 'not running' : 'running'}`)
  for (const { name } of components) console.log(`  ${name.padEnd(20)} ${isRunning(name) ? 'running' : 'not running'}`)
  console.log(`logs: ${logFolder}`)
}

const commands: Readonly<Record<string, () => void | Promise<void>>> = { up, down, status }

try {
  const command = commands[process.argv[2] ?? '']
  if (command === undefined) {
    console.error(usage)
    process.exitCode = 2
  }
  await command?.()
} catch (error) {
  say(messageOf(error))
  process.exitCode = error instanceof ClusterError && error.code === 'interrupted' ? 130 : 1
}
