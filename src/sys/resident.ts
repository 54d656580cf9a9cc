/**
 * Gives back to the kernel what the process does not need any more: after its start, and after a burst.
 *
 * A start leaves behind a young generation grown to its full size, holes in malloc's arenas, and some 30 MB of the
 * program's own file mapped, of which an idle agent runs a tenth. Nothing of that shrinks by itself.
 */

import { readFileSync } from 'node:fs'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as koffi from 'koffi'
import { call } from './libc.ts'

const library = koffi.load('libc.so.6')

const raw = {
  trim: library.func('int malloc_trim(size_t keep)') as (keep: number) => number,
  madvise: library.func('int madvise(uintptr_t from, size_t length, int advice)') as (from: number, length: number, advice: number) => number,
  // The casts above are the declarations of the C prototypes beside them: koffi returns untyped functions.
}

const MADV_DONTNEED = 4

/** A stretch of this process's memory. */
export interface Mapping {
  readonly from: number
  readonly length: number
}

/** Takes some tens of milliseconds, once; what is needed again is mapped again, from memory. Throws `SysError`. */
export function releaseStartupMemory (): void {
  collectGarbage()
  trimArenas()
  for (const { from, length } of programMappings(readFileSync('/proc/self/smaps', 'utf8'))) call('madvise', () => raw.madvise(from, length, MADV_DONTNEED))
}

/** What malloc has free but keeps, given back: whole pages in the middle of its arenas too. Takes some milliseconds. */
function trimArenas (): void {
  raw.trim(0)
}

/** A collection stops the thread for some ms with each 10 MB: with more in use than this it is not worth that. */
const mostCollected = 128 * 1024 * 1024

/**
 * What a burst has left: a young generation that has grown and, only in part, shrinks by itself; then what malloc has free.
 * Takes some tens of milliseconds at the most.
 */
export function releaseBurstMemory (): void {
  if (getHeapStatistics().used_heap_size < mostCollected) collectGarbage()
  trimArenas()
}

let gc: ((options: object) => void) | undefined

/** Collects all garbage of this thread: the only collection that also shrinks the young generation. */
export function collectGarbage (): void {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as (options: object) => void // V8's own, which the flag has just put there
  }
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/**
 * From proc_pid_smaps(5): mappings of files that nobody can write, and of which no page was ever written (a relocation,
 * a breakpoint): the file holds all of them, so forgetting them loses nothing.
 */
export function programMappings (smaps: string): Mapping[] {
  const found: Mapping[] = []
  let current: Mapping | undefined
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)\s*(.*)$/.exec(line)
    if (head !== null) {
      const [, from = '', to = '', mode = '', inode = '', path = ''] = head
      const isProgram = /^r-[x-]p$/.test(mode) && inode !== '0' && path.startsWith('/')
      current = isProgram ? { from: Number.parseInt(from, 16), length: Number.parseInt(to, 16) - Number.parseInt(from, 16) } : undefined
    } else if (current !== undefined && /^Anonymous:\s+0 kB$/.test(line)) {
      found.push(current)
    }
  }
  return found
}
