/**
 * Dials an application in the client's name, from a relay thread: inside its namespace, and from a port that no client
 * uses (capture/port-choice.ts says why).
 */

import { firstFree } from '../../../lib/first-free.ts'
import { Fd, Netns, SysError, decodeSockaddr, encodeSockaddr, errnos, openDialer } from '../../../sys/index.ts'
import { bytesOf } from '../octets.ts'
import { Dial } from './socket.ts'
import type { SocketAddress } from '../../../model/address.ts'
import type { Octets } from '../octets.ts'
import type { LentFor } from '../protocol.ts'
import type { Loop } from './loop.ts'
import type { RawSocket } from './socket.ts'

/** How often another port is tried, where one is taken after all. */
const mostTries = 8

/** Where an application is, and how it is dialled. Holds the namespace until it is closed. */
export class InnerDials {
  readonly #netns: Netns
  readonly #terms: LentFor & { readonly is: 'arriving' }
  readonly #source: SocketAddress
  readonly #to: SocketAddress
  readonly #sockaddr: Uint8Array
  readonly #loop: Loop

  /** Takes over `terms.netns`. */
  constructor (terms: LentFor & { readonly is: 'arriving' }, loop: Loop) {
    using ends = new DisposableStack()
    this.#netns = new Netns(ends.use(new Fd(terms.netns)))
    this.#terms = terms
    this.#source = addressOf(terms.source)
    this.#to = addressOf(terms.to)
    this.#sockaddr = encodeSockaddr(this.#to)
    this.#loop = loop
    ends.move()
  }

  /** `tell` gets the socket, or an errno, perhaps before this returns. Never throws. */
  start (tell: (result: RawSocket | number) => void): InnerDial {
    return new InnerDial(() => this.#open(), this.#sockaddr, this.#loop, tell)
  }

  close (): void { this.#netns.close() }

  #open (): Fd {
    const bind = { ip: this.#source.ip, port: this.#choosePort(), transparent: true }
    return this.#netns.run<Fd>(() => openDialer({ family: this.#to.ip.family, mark: this.#terms.mark, bind }))
  }

  /** The port that nobody uses, from a random one upwards. Throws `SysError` where all are used. */
  #choosePort (): number {
    const { low, inUse } = this.#terms.ports
    const port = firstFree({ low, high: low + inUse.length - 1 }, port => Atomics.load(inUse, port - low) > 0, Math.random())
    if (port === undefined) throw new SysError('bind', errnos.EADDRNOTAVAIL)
    return port
  }
}

/** One dial, over as many ports as it takes. */
export class InnerDial {
  readonly #open: () => Fd
  readonly #to: Uint8Array
  readonly #loop: Loop
  readonly #tell: (result: RawSocket | number) => void
  #dial: Dial | undefined
  #tries = 0
  #isOver = false

  constructor (open: () => Fd, to: Uint8Array, loop: Loop, tell: (result: RawSocket | number) => void) {
    this.#open = open
    this.#to = to
    this.#loop = loop
    this.#tell = tell
    this.#try()
  }

  /** Gives up without a word. */
  cancel (): void {
    this.#isOver = true
    this.#dial?.cancel()
  }

  #try (): void {
    this.#tries++
    try {
      this.#dial = Dial.start(this.#open().release(), this.#to, this.#loop, result => { this.#heard(result) })
    } catch (error) {
      this.#heard(error instanceof SysError ? error.errno : errnos.EIO)
    }
  }

  #heard (result: RawSocket | number): void {
    this.#dial = undefined
    if (this.#isOver) return
    const isTaken = result === errnos.EADDRNOTAVAIL || result === errnos.EADDRINUSE
    if (isTaken && this.#tries < mostTries) { this.#try(); return }
    this.#isOver = true
    this.#tell(result)
  }
}

function addressOf (octets: Octets): SocketAddress {
  const address = decodeSockaddr(bytesOf(octets))
  if (address === undefined) throw new TypeError('not an address of an IP family')
  return address
}
