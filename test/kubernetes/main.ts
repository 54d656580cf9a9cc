#!/usr/bin/env node
/** The test cluster from the command line: `npm run cluster`, `npm run cluster -- down`. */

import { Cluster } from './cluster.ts'
import { components } from './components.ts'
import { isSomethingLeft, takeDown } from './down.ts'
import { ClusterError } from './error.ts'
import { buildImage } from './image.ts'
import { install } from './liburna/index.ts'
import { takeLock } from './lock.ts'
import { Machine } from './machine.ts'
import { machineNames } from './network.ts'
import { isRunning } from './parts.ts'
import { adminKubeconfig, logFolder } from './paths.ts'
import { interruption, say } from './terminal.ts'
import { binFolder, bringUp, isUp } from './up.ts'
import { messageOf } from '../../src/lib/error.ts'

const usage = `A real Kubernetes for trying things out: two nodes, as plain processes in namespaces of this machine.

usage: npm run cluster [-- COMMAND]
  up       (the default) builds what is missing (minutes, once), starts the cluster, and leaves it running
  liburna  as up, and installs liburna in it, from this checkout
  down     ends it and removes every trace of it
  status   says what runs
  image    builds the project's image and gives it to the nodes of the running cluster`

async function up (): Promise<void> {
  const outcome = await bringUp({ say, signal: interruption() })
  say(outcome === 'started' ? 'up' : 'it was up already')
  say('`npm run cluster -- down` ends it; paste this, then kubectl is the cluster\'s own:')
  console.log(`export KUBECONFIG=${adminKubeconfig} PATH=${binFolder()}:$PATH`)
}

async function withLiburna (): Promise<void> {
  await up()
  await install(new Cluster(false), say)
  say('liburna runs; label a namespace `liburna.io/enforce=true` and its pods are captured')
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

/** Replaces the image in the nodes; pods that run keep what they have. */
async function image (): Promise<void> {
  const name = await buildImage({ say, signal: interruption() })
  if (isUp()) await new Cluster(false).loadImage(name)
  console.log(name)
}

function help (): void {
  console.log(usage)
}

const commands: Readonly<Record<string, () => void | Promise<void>>> = { up, liburna: withLiburna, down, status, image, help, '--help': help, '-h': help }

try {
  const command = commands[process.argv[2] ?? 'up']
  if (command === undefined) {
    console.error(usage)
    process.exitCode = 2
  }
  await command?.()
} catch (error) {
  say(messageOf(error))
  process.exitCode = error instanceof ClusterError && error.code === 'interrupted' ? 130 : 1
}
