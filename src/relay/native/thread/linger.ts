/**
 * The polite end of a connection to another agent: what is queued, close_notify, FIN; then what still comes is
 * dropped until the peer has closed or time is up. Unread bytes at close would make the kernel send a reset, which
 * can overtake our last frame.
 */

import { Memory, errnos, read, resetOnClose, shutdownWrite } from '../../../sys/index.ts'
import type { TlsConnection } from '../../../sys/index.ts'
import type { Alarm, Loop, Task } from './loop.ts'
import type { SecureLeg } from './secure-leg.ts'

/** How long it may take, ms. */
const lingerMs = 1000
/** Read and forgotten at a time; shared, because nobody looks at it. */
const waste = new Memory(64 * 1024)

/**
 * Ends `leg`, whose `release` it calls. `complete`: all that either end had to say is with the kernels already, which
 * deliver it however long the reader takes, so time that is up must not take it back.
 */
export function linger (leg: SecureLeg, tls: TlsConnection, loop: Loop, complete: boolean): void {
  const lingering = new Lingering(leg, tls, loop, complete)
  loop.assign(leg.wire, lingering)
  // Now, not at the next turn: on a busy machine that may come when time is up already.
  if (lingering.run()) loop.schedule(lingering)
}

class Lingering implements Task {
  readonly #leg: SecureLeg
  readonly #tls: TlsConnection
  readonly #complete: boolean
  readonly #alarm: Alarm
  #said = false
  #over = false

  constructor (leg: SecureLeg, tls: TlsConnection, loop: Loop, complete: boolean) {
    this.#leg = leg
    this.#tls = tls
    this.#complete = complete
    this.#alarm = loop.after(lingerMs, () => { this.#timeIsUp() })
  }

  run (): boolean {
    const leg = this.#leg
    if (!leg.isOpen) return false
    let flushed = leg.flush()
    if (!this.#said && flushed === 'empty') {
      this.#said = true
      this.#tls.sayClose()
      flushed = leg.flush()
    }
    if (flushed === 'failed') return this.#release()
    if (this.#said && !this.#over && flushed === 'empty') {
      this.#over = true
      if (shutdownWrite(leg.wire.fd) < 0) return this.#release()
    }
    return this.#dropOne()
  }

  crash (): void { this.#release() }

  /** Reads once; true when there may be more. */
  #dropOne (): boolean {
    const { wire } = this.#leg
    if (!wire.readable) return false
    const count = read(wire.fd, waste.address, waste.length)
    if (count > 0) return true
    if (count !== -errnos.EAGAIN) return this.#release()
    wire.readable = false
    return false
  }

  #timeIsUp (): void {
    // A peer that does not read has not even seen why: a reset is what it notices.
    if (!this.#over && !this.#complete && this.#leg.isOpen) resetOnClose(this.#leg.wire.fd)
    this.#leg.release()
  }

  #release (): false {
    this.#alarm.cancel()
    this.#leg.release()
    return false
  }
}
