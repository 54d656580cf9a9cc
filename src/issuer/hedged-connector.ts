/**
 * A connection to whichever of several servers behind one address answers first.
 *
 * An issuer is dialled by its Service, and the balancer chooses one of its pods for each connection: perhaps one on a node that
 * has just died, or one that cannot be reached from here at all (pod ranges may overlap). Who waits for that one to fail waits for
 * seconds. So another connection is begun soon, as RFC 8305 (Happy Eyeballs) does for addresses; the first to be proven is
 * used, the others are closed.
 */

import type { Clock, Timer } from '../lib/clock.ts'
import type { Connector } from './spiffe-tls.ts'

/**
 * Time before another is begun, ms, each time twice as long: more than a connection within a cluster takes, TLS included, and no
 * flood for an issuer that is busy.
 */
const firstPauseMs = 150
/** Where one of two servers can be reached, all of so many miss it once in 32 times. */
const most = 5

type Callback = Parameters<Connector>[1]

/** Connects by `connect`, several times if need be. The callback hears of the first success, or of the last failure. */
export function hedged (connect: Connector, clock: Clock): Connector {
  return (options, callback) => {
    let [begun, failed] = [0, 0]
    let isOver = false
    let next: Timer | undefined

    function begin (): void {
      next?.cancel()
      if (begun === most) return
      next = clock.after(firstPauseMs * 2 ** begun, begin)
      begun++
      connect(options, heard)
    }

    const heard: Callback = (...[error, socket]) => {
      if (isOver) { socket?.destroy(); return }
      if (error !== null && ++failed < most) { begin(); return }
      isOver = true
      next?.cancel()
      if (error === null) callback(null, socket)
      else callback(error, null)
    }

    begin()
  }
}
