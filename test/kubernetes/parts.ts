/** Starting and stopping what the tables describe. */

import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { netnsPath } from '../fixtures/lab/netns.ts'
import { eventually } from '../fixtures/eventually.ts'
import { daemonCgroup } from './cgroups.ts'
import { componentOf } from './components.ts'
import { ClusterError } from './error.ts'
import { logTail, Machine, spawnLogged } from './machine.ts'
import { netnsOf } from './network.ts'
import { stateFolder } from './paths.ts'
import { readPid, removePid, writePid } from './pid-file.ts'
import { end, isAlive, processIdOf, signalTo } from './process-id.ts'
import { waitFor } from './wait.ts'
import type { ComponentName } from './components.ts'
import type { WaitOptions } from './wait.ts'

export function isRunning (name: ComponentName): boolean {
  return readPid(name) !== undefined
}

/** Starts a component when it does not run; resolves when the process is there, which may be before it is of use. */
export async function startComponent (name: ComponentName): Promise<void> {
  if (isRunning(name)) return
  const { machine, command } = componentOf(name)
  writePid(name, await new Machine(machine).spawn(name, command))
}

/** Ends a component, `SIGTERM` with patience, `SIGKILL` at once; resolves when the process is gone. */
export async function stopComponent (name: ComponentName, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const id = readPid(name)
  if (id !== undefined) {
    if (signal === 'SIGTERM') await end(id)
    signalTo(id, 'SIGKILL')
    await eventually(() => !isAlive(id))
  }
  removePid(name)
}

/** Waits for a component to be of use, until `probe` neither throws nor returns false; one that ended is told at once, with the end of its log. */
export async function whileRunning (name: ComponentName, probe: () => unknown, options: WaitOptions): Promise<void> {
  const isOver = await waitFor(async () => !isRunning(name) ? 'ended' : await probe() !== false && 'ready', options)
    .catch(error => { throw options.signal?.aborted === true ? error : new ClusterError('not-ready', `${name} is not ready:\n${logTail(name)}`, { cause: error }) })
  if (isOver === 'ended') throw new ClusterError('not-ready', `${name} ended:\n${logTail(name)}`)
}

const forwardProgram = fileURLToPath(new URL('forward.ts', import.meta.url))

/** The API server on this machine's own loopback, so that a plain kubectl finds it; nothing of its network is changed. Resolves with the port. */
export async function startForward (): Promise<number> {
  const socket = join(stateFolder, 'api.sock')
  const port = await freePort()
  startNode('forward-in', ['nsenter', `--net=${netnsPath(netnsOf('cp'))}`], [socket, '127.0.0.1:6443'])
  startNode('forward-out', [], [`127.0.0.1:${port}`, socket])
  await eventually(() => existsSync(socket))
  return port
}

function startNode (name: string, prefix: readonly string[], args: readonly string[]): void {
  const pid = spawnLogged(name, `${netnsOf('cp')}/${daemonCgroup}`, [...prefix, process.execPath, forwardProgram, ...args])
  const id = processIdOf(pid)
  if (id === undefined) throw new ClusterError('not-ready', `${name} ended:\n${logTail(name)}`)
  writePid(name, id)
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(0, '127.0.0.1', resolve) })
  const address = server.address()
  await new Promise(resolve => { server.close(resolve) })
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has an address')
  return address.port
}
