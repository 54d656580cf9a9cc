/** One at a time: `up` and `down` of several processes wait for each other. */

import { readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { eventually } from '../fixtures/eventually.ts'
import { stateFolder } from './paths.ts'
import { isAlive, processIdOf } from './process-id.ts'

/** Beside the state, which `down` removes as a whole. */
const file = `${stateFolder}.lock`
/** A first `up` builds for minutes. */
const patienceMs = 1_800_000

/** Held until it is disposed; the lock of a process that died counts for nothing. */
export async function takeLock (): Promise<Disposable> {
  mkdirSync(dirname(file), { recursive: true })
  await eventually(() => tryLock(), patienceMs)
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
