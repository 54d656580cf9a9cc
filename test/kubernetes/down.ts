/** Taking the cluster down: nothing is left, also after a crash in the middle of anything. */

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { eventually } from '../fixtures/eventually.ts'
import { processesInside, removeCgroups } from './cgroups.ts'
import { removeNetwork } from './network.ts'
import { stateFolder } from './paths.ts'
import { readPid, recordedNames } from './pid-file.ts'
import { isAlive, processIdOf, signalTo } from './process-id.ts'
import { must } from './run.ts'
import type { ProcessId } from './process-id.ts'

/** Whether there is anything to take down. */
export function isSomethingLeft (): boolean {
  return existsSync(stateFolder) || processesInside().length > 0
}

/**
 * Ends every process (by recorded pid; then whatever is in our cgroups, which finds also what a crash kept from
 * being recorded), then removes mounts, namespaces, cgroups and files, in this order.
 */
export async function takeDown (say: (text: string) => void): Promise<void> {
  const recorded = recordedNames().map(readPid).filter(id => id !== undefined)
  await kill(recorded)
  // Killing process 1 of a machine kills the rest of it; a second look finds nothing, or what was being started.
  await eventually(async () => {
    const inside = processesInside().map(processIdOf).filter(id => id !== undefined)
    await kill(inside)
    return inside.length === 0
  }, 30_000)
  for (const path of mountsBelow(stateFolder).reverse()) await must('umount', ['-l', path])
  removeNetwork()
  await removeCgroups()
  rmSync(stateFolder, { recursive: true, force: true })
  say('taken down: no process, mount, namespace, cgroup or file of the cluster is left')
}

async function kill (ids: readonly ProcessId[]): Promise<void> {
  for (const id of ids) signalTo(id, 'SIGKILL')
  for (const id of ids) await eventually(() => !isAlive(id), 30_000)
}

/** The machines' mounts are in namespaces that ended with them; this is for what a later version may put here. */
function mountsBelow (folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(line => line.split(' ')[4] ?? '').filter(path => path.startsWith(`${folder}/`))
}
