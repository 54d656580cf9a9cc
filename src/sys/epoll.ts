/**
 * epoll(7), edge-triggered, and eventfd(2) to wake the thread that waits in it.
 *
 * Each registration has a token of two 32-bit halves, an index and a generation, so an event that was fetched before
 * its descriptor was closed is recognized as stale by the one who kept the generation.
 */

import { arch } from 'node:os'
import * as koffi from 'koffi'
import { noteLive, strikeLive } from './census.ts'
import { Fd } from './fd.ts'
import { call } from './libc.ts'
import { Memory } from './memory.ts'
import type { Address } from './memory.ts'

const library = koffi.load('libc.so.6')

const raw = {
  epollCreate: library.func('int epoll_create1(int flags)') as (flags: number) => number,
  epollCtl: library.func('int epoll_ctl(int epoll, int op, int fd, uintptr_t event)') as (epoll: number, op: number, fd: number, event: Address) => number,
  epollWait: library.func('int epoll_wait(int epoll, uintptr_t events, int most, int timeout)') as (epoll: number, events: Address, most: number, timeout: number) => number,
  eventfd: library.func('int eventfd(uint initial, int flags)') as (initial: number, flags: number) => number,
  eventfdWrite: library.func('int eventfd_write(int fd, uint64 value)') as (fd: number, value: number) => number,
  // The casts above are the declarations of the C prototypes beside them: koffi returns untyped functions.
}

/** sys/epoll.h: what `OnEvent` hears. */
export const events = { in: 0x1, urgent: 0x2, out: 0x4, error: 0x8, hangUp: 0x10, readHangUp: 0x2000 } as const
const EPOLLEXCLUSIVE = 1 << 28
const EPOLLET = 1 << 31

const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2
const CLOEXEC = 0o2000000
const CLOEXEC_NONBLOCK = 0o2004000
const EINTR = 4

/** `struct epoll_event` in 32-bit words: packed on x86-64 only. */
const [stride, tokenAt] = arch() === 'x64' ? [3, 1] : [4, 2]
/** Most events per call; what is left comes with the next one. */
const most = 512

/** Hears of each event: the token's halves, and the event bits. */
export type OnEvent = (index: number, generation: number, events: number) => void

export class Epoll implements Disposable {
  readonly #fd = new Fd(call('epoll_create1', () => raw.epollCreate(CLOEXEC)))
  readonly #memory = new Memory(most * stride * 4)
  readonly #words = new Int32Array(this.#memory.bytes.buffer)
  readonly #one = new Memory(16)

  /** Registers a connection for all its edges. Throws `SysError`. */
  addConnection (fd: number, index: number, generation: number): void {
    this.#add(fd, events.in | events.urgent | events.out | events.readHangUp | EPOLLET, index, generation)
  }

  /** Registers a listener that other threads may have registered, too: one of them is woken. Level-triggered. */
  addListener (fd: number, index: number, generation: number): void {
    this.#add(fd, events.in | EPOLLEXCLUSIVE, index, generation)
  }

  /** Registers an eventfd, whose every write is an edge, so nobody needs to read it. */
  addWake (fd: number, index: number, generation: number): void {
    this.#add(fd, events.in | EPOLLET, index, generation)
  }

  /** Needed only where the descriptor stays open: closing one removes it. */
  remove (fd: number): void {
    call('epoll_ctl', () => raw.epollCtl(this.#fd.number, EPOLL_CTL_DEL, fd, this.#one.address))
  }

  /** Waits at most `timeoutMs` (-1: for ever) and tells each event. Throws `SysError`. */
  wait (timeoutMs: number, onEvent: OnEvent): void {
    const count = raw.epollWait(this.#fd.number, this.#memory.address, most, timeoutMs)
    if (count < 0) { if (koffi.errno() !== EINTR) call('epoll_wait', () => count); return }
    const words = this.#words
    for (let i = 0; i < count; i++) {
      const at = i * stride
      onEvent(words[at + tokenAt] ?? 0, words[at + tokenAt + 1] ?? 0, words[at] ?? 0)
    }
  }

  close (): void { this.#fd.close() }
  [Symbol.dispose] (): void { this.close() }

  #add (fd: number, interest: number, index: number, generation: number): void {
    const words = new Int32Array(this.#one.bytes.buffer)
    words[0] = interest
    words[tokenAt] = index
    words[tokenAt + 1] = generation
    call('epoll_ctl', () => raw.epollCtl(this.#fd.number, EPOLL_CTL_ADD, fd, this.#one.address))
  }
}

/** Wakes a thread that waits in an epoll. Any thread may `ring`, as long as the owner has not closed it. */
export class Bell implements Disposable {
  readonly #fd = new Fd(call('eventfd', () => raw.eventfd(0, CLOEXEC_NONBLOCK)))

  constructor () { noteLive(this, 'bell') }

  get number (): number { return this.#fd.number }

  ring (): void {
    raw.eventfdWrite(this.#fd.number, 1)
  }

  close (): void {
    strikeLive(this)
    this.#fd.close()
  }

  [Symbol.dispose] (): void { this.close() }
}
