/** One small file for each process that the cluster left running. */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from './process-id.ts'
import { pidFolder } from './paths.ts'
import type { ProcessId } from './process-id.ts'

export function writePid (name: string, { pid, started }: ProcessId): void {
  mkdirSync(pidFolder, { recursive: true })
  // Whole at every moment: `down` may read it while `up` writes.
  writeFileSync(join(pidFolder, `.${name}`), `${pid} ${started}\n`)
  renameSync(join(pidFolder, `.${name}`), join(pidFolder, name))
}

/** The process under this name, when it is alive. */
export function readPid (name: string): ProcessId | undefined {
  try {
    const [pid = '', started = ''] = readFileSync(join(pidFolder, name), 'utf8').trim().split(' ')
    const id = { pid: Number(pid), started }
    return isAlive(id) ? id : undefined
  } catch {
    return undefined
  }
}

export function removePid (name: string): void {
  rmSync(join(pidFolder, name), { force: true })
}

/** Names of all processes that were recorded, alive or not. */
export function recordedNames (): string[] {
  try { return readdirSync(pidFolder).filter(name => !name.startsWith('.')) } catch { return [] }
}
