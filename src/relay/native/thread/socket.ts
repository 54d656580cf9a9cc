/** A connected socket that nobody has read from: it waits for the main thread to say what becomes of it. */

import { Fd, SysError, connect, errnos, errorOf, resetOnClose } from '../../../sys/index.ts'
import type { Loop, Task, Wire } from './loop.ts'

export interface RawSocket {
  readonly fd: Fd
  readonly wire: Wire
}

/** Closes it with a reset. */
export function resetSocket ({ fd, wire }: RawSocket, loop: Loop): void {
  loop.remove(wire)
  resetOnClose(fd.number)
  fd.close()
}

/** A dial under way. Tells once how it went; on failure the descriptor is closed. */
export class Dial implements Task {
  readonly #socket: RawSocket
  readonly #loop: Loop
  readonly #tell: (result: RawSocket | number) => void

  private constructor (socket: RawSocket, loop: Loop, tell: (result: RawSocket | number) => void) {
    this.#socket = socket
    this.#loop = loop
    this.#tell = tell
    loop.assign(socket.wire, this)
  }

  /** Takes over `fd`. `tell` gets the socket, or an errno; perhaps before this returns. */
  static start (number: number, to: Uint8Array, loop: Loop, tell: (result: RawSocket | number) => void): Dial | undefined {
    const fd = new Fd(number)
    try {
      // Before connect(2) a socket counts as hung up: it comes into the loop only now.
      const result = connect(fd.number, to)
      if (result >= 0 || result === -errnos.EINPROGRESS) return new Dial({ fd, wire: loop.add(fd.number, undefined) }, loop, tell)
      fd.close()
      tell(-result)
    } catch (error) {
      fd.close()
      tell(error instanceof SysError ? error.errno : errnos.EIO)
    }
    return undefined
  }

  run (): boolean {
    const { fd, wire } = this.#socket
    if (!wire.writable && !wire.failed) return false
    const error = errorOf(fd.number)
    wire.task = undefined
    if (error === 0) { this.#tell(this.#socket); return false }
    this.cancel()
    this.#tell(-error)
    return false
  }

  crash (): void {
    this.cancel()
    this.#tell(0)
  }

  /** Gives up without a word. */
  cancel (): void {
    this.#loop.remove(this.#socket.wire)
    this.#socket.fd.close()
  }
}
