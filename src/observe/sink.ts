/**
 * Lines out of the process, without ever making traffic wait.
 *
 * Node writes to pipes synchronously, so a reader of our stdout that stops would stop every connection. Here the
 * lines wait in a bounded queue, some milliseconds for more of them; one write is under way at a time (in libuv's pool), and what does not fit is
 * dropped and counted. Pipes are opened anew without blocking: a write that hangs in the pool would keep even
 * `process.exit` from ending. (A socket as stdout cannot be opened anew; there that risk stays.)
 *
 * The timers here are Node's own, not those of `Clock`: they must keep the process alive until the lines are out.
 */

import { closeSync, constants, openSync, write, writeSync } from 'node:fs'

/** Where lines go. `write` takes whole lines with their newline and returns at once. */
export interface LineSink {
  write (line: string): void
  /** Lines that were dropped so far, because the reader is slow or the disk is full. */
  readonly dropped: number
}

export interface SinkOptions {
  /** Most bytes that wait. @default 4 MiB */
  readonly mostBytes?: number
}

/** One write carries at most so many characters, so that a drop after a failure loses little. */
const batchCharacters = 64 * 1024
/** Lines of so long a time leave together, ms: a write each would cost as much as making the line. */
const gatherMs = 10
/** How long after a failed write the next is tried, and after one that found the pipe full. */
const retryMs = 200
const pauseMs = 10

/** A file (appended to, made readable by owner and group) or one of the standard streams as a sink. */
export class FileSink implements LineSink {
  readonly #target: number | string
  readonly #mostBytes: number
  readonly #idle: (() => void)[] = []
  #fd: number
  #queue: string[] = []
  #queued = 0
  #busy = false
  #gathering = false
  #closed = false
  #reopen = false
  #dropped = 0

  /** @param target a descriptor such as 1 or 2, or the path of a file. Throws what `open(2)` says. */
  constructor (target: number | string, { mostBytes = 4 * 1024 * 1024 }: SinkOptions = {}) {
    this.#target = target
    this.#fd = typeof target === 'number' ? openAnew(target) : openForLines(target)
    this.#mostBytes = mostBytes
  }

  get dropped (): number { return this.#dropped }

  write (line: string): void {
    if (this.#closed || this.#queued + line.length > this.#mostBytes) {
      this.#dropped++
      return
    }
    this.#queue.push(line)
    this.#queued += line.length
    this.#pumpSoon()
  }

  /** Opens the file again by its name, after a log rotation moved it away. Nothing is lost. */
  reopen (): void {
    this.#reopen = typeof this.#target === 'string'
    this.#pump()
  }

  /** Resolves when everything is written, or after `deadlineMs`; later lines are dropped. */
  async close (deadlineMs = 1000): Promise<void> {
    const drained = new Promise<void>(resolve => { this.#idle.push(resolve) })
    const timer = setTimeout(() => { this.#settle() }, deadlineMs)
    this.#pump()
    await drained
    clearTimeout(timer)
    this.#closed = true
    if (this.#fd !== this.#target && !this.#busy) closeSync(this.#fd)
  }

  /** Writes what waits at once, blocking; for the moment before a crash. */
  flushNow (): void {
    const text = this.#queue.join('')
    this.#queue = []
    this.#queued = 0
    try { writeSync(this.#fd, text) } catch { this.#dropped++ }
  }

  #pumpSoon (): void {
    if (this.#busy || this.#gathering) return
    this.#gathering = true
    setTimeout(() => {
      this.#gathering = false
      this.#pump()
    }, gatherMs)
  }

  #pump (): void {
    if (this.#busy || this.#closed) return
    this.#swapFile()
    if (this.#queue.length === 0) { this.#settle(); return }
    this.#busy = true
    this.#send(Buffer.from(this.#takeBatch()), 0)
  }

  #takeBatch (): string {
    let size = 0
    let count = 0
    while (count < this.#queue.length && size < batchCharacters) size += this.#queue[count++]?.length ?? 0
    this.#queued -= size
    return this.#queue.splice(0, count).join('')
  }

  #send (bytes: Buffer, at: number): void {
    write(this.#fd, bytes, at, (error, written) => {
      if (error !== null) { this.#retry(error, bytes, at); return }
      if (at + written < bytes.length) { this.#send(bytes, at + written); return }
      this.#next()
    })
  }

  /** A full pipe of somebody who made it non-blocking is waited for; every other failure loses this batch. */
  #retry (error: NodeJS.ErrnoException, bytes: Buffer, at: number): void {
    const again = error.code === 'EAGAIN'
    if (!again) this.#dropped += bytes.subarray(at).toString().split('\n').length - 1
    if (this.#closed) return
    setTimeout(() => { if (again) this.#send(bytes, at); else this.#next() }, again ? pauseMs : retryMs)
  }

  #next (): void {
    this.#busy = false
    this.#pump()
  }

  #swapFile (): void {
    if (!this.#reopen || typeof this.#target !== 'string') return
    this.#reopen = false
    try {
      const fresh = openForLines(this.#target)
      closeSync(this.#fd)
      this.#fd = fresh
    } catch { /* the old file is still there to write to */ }
  }

  #settle (): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** A FIFO without a reader is an error (ENXIO) instead of a wait. */
function openForLines (path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o640)
}

/** A descriptor of its own for what `fd` refers to, so that not blocking is our matter alone; `fd` where there is none to be had. */
function openAnew (fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK)
  } catch {
    return fd
  }
}
