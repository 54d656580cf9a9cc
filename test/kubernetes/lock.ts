/** One at a time: `up` and `down` of several processes wait for each other. */

import { readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { stateFolder } from './paths.ts'
import { isAlive, processIdOf } from './process-id.ts'
import { waitFor } from './wait.ts'

/** Beside the state, which `down` removes as a whole. */
const file = `${stateFolder}.lock`
/** A first `up` builds for minutes. */
const patienceMs = 1_800_000

/** Held until it is disposed; the lock of a process that died counts for nothing. */
export async function takeLock (say: (text: string) => void = () => {}, signal?: AbortSignal): Promise<Disposable> {
  mkdirSync(dirname(file), { recursive: true })
  if (!tryLock()) {
    say('waiting for another process that brings the cluster up or down')
    await waitFor(() => tryLock(), { withinMs: patienceMs, signal })
  }
  return { [Symbol.dispose]: () => { rmSync(file, { force: true }) } }
}

function tryLock (): boolean {
  const self = processIdOf(process.pid)
  try {
    writeFileSync(file, `${self?.pid} ${self?.started}`, { flag: 'wx' })
    return true
  } catch {
    if (!holderLives()) rmSync(file, { force: true })
    return false
  }
}

function holderLives (): boolean {
  try {
    const [pid = '', started = ''] = readFileSync(file, 'utf8').split(' ')
    // Empty: its holder is between making and writing it.
    return pid === '' || isAlive({ pid: Number(pid), started })
  } catch {
    return true
  }
}
