/** Tells now and then how many bytes have moved: each report has its price, and nobody needs to know at once. */

import type { ConnectionId, Report } from '../protocol.ts'
import type { Loop } from './loop.ts'
import type { Pump } from './pump.ts'

/** How often, ms. */
const reportMs = 500

export class Moved {
  readonly #loop: Loop
  readonly #report: (report: Report) => void
  readonly #pumps = new Map<ConnectionId, Pump>()

  constructor (loop: Loop, report: (report: Report) => void) {
    this.#loop = loop
    this.#report = report
  }

  /** The pump, which the main thread knows by `name`, has moved something. */
  note (name: ConnectionId, pump: Pump): void {
    if (this.#pumps.size === 0) this.#loop.after(reportMs, () => { this.#tell() })
    this.#pumps.set(name, pump)
  }

  forget (name: ConnectionId): void { this.#pumps.delete(name) }

  #tell (): void {
    const counts = [...this.#pumps].flatMap(([name, pump]) => {
      const { fromClient, fromServer } = pump.takeMoved()
      return [name, fromClient, fromServer]
    })
    this.#pumps.clear()
    if (counts.length > 0) this.#report({ is: 'moved', counts })
  }
}
