/**
 * The polite end of a connection to another agent: what is queued, close_notify, FIN; then what still comes is
 * dropped until the peer has closed or time is up. Unread bytes at close would make the kernel send a reset, which
 * can overtake our last frame.
 */

import { Memory, errnos, read, resetOnClose, shutdownWrite } from '../../../sys/index.ts'
import type { TlsConnection } from '../../../sys/index.ts'
import type { Loop, Task } from './loop.ts'
import type { SecureLeg } from './secure-leg.ts'

/** How long it may take, ms. */
const lingerMs = 1000
/** Read and forgotten at a time; shared, because nobody looks at it. */
const waste = new Memory(64 * 1024)

/** Ends `leg`, whose `release` it calls. */
export function linger (leg: SecureLeg, tls: TlsConnection, loop: Loop): void {
  let said = false
  let over = false
  const alarm = loop.after(lingerMs, () => {
    // A peer that does not read has not even seen why: a reset is what it notices.
    if (!over && leg.isOpen) resetOnClose(leg.wire.fd)
    leg.release()
  })
  const release = (): false => {
    alarm.cancel()
    leg.release()
    return false
  }
  const task: Task = {
    run: () => {
      if (leg.flush() === 'failed') return release()
      if (!said && leg.flush() === 'empty') {
        said = true
        tls.sayClose()
        if (leg.flush() === 'failed') return release()
      }
      if (said && !over && leg.flush() === 'empty') {
        over = true
        if (shutdownWrite(leg.wire.fd) < 0) return release()
      }
      return dropOne(leg, release)
    },
    crash: release,
  }
  loop.assign(leg.wire, task)
}

/** Reads once; true when there may be more. */
function dropOne ({ wire }: SecureLeg, release: () => false): boolean {
  if (!wire.readable) return false
  const count = read(wire.fd, waste.address, waste.length)
  if (count > 0) return true
  if (count !== -errnos.EAGAIN) return release()
  wire.readable = false
  return false
}
