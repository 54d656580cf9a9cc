/**
 * Processes that outlive the one that started them, known by pid and start time.
 *
 * The start time (proc_pid_stat(5), field 22, in clock ticks since boot) tells a process from a later one that got
 * the same pid; the boot id does so across a restart of the machine.
 */

import { readFileSync } from 'node:fs'
import { eventually } from '../fixtures/eventually.ts'

export interface ProcessId {
  readonly pid: number
  readonly started: string
}

/** Undefined when there is no such process, or when it is a zombie. */
export function processIdOf (pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold anything, also spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { pid, started: `${bootId()}/${fields[19]}` }
  } catch {
    return undefined
  }
}

export function isAlive ({ pid, started }: ProcessId): boolean {
  return processIdOf(pid)?.started === started
}

export function signalTo (id: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(id)) return
  try { process.kill(id.pid, signal) } catch { /* it was faster */ }
}

/** SIGTERM, then SIGKILL when it takes longer than `graceMs`; resolves when it is gone. */
export async function end (id: ProcessId, graceMs = 5000): Promise<void> {
  signalTo(id, 'SIGTERM')
  await eventually(() => !isAlive(id), graceMs).catch(() => { signalTo(id, 'SIGKILL') })
  await eventually(() => !isAlive(id))
}

/** The only child of a process; undefined while there is none. Needs CONFIG_PROC_CHILDREN, as Debian has it. */
export function childOf (pid: number): number | undefined {
  try {
    const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')
    return child === '' ? undefined : Number(child)
  } catch {
    return undefined
  }
}

function bootId (): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}
