/** The certificates that connections are secured with, by number, and what each has proven that may be proven shorter the next time. */

import { alpnName } from '../../../frames/index.ts'
import { TlsContext } from '../../../sys/index.ts'
import { ResumableTable } from './resumable.ts'
import type { Order } from '../protocol.ts'

export interface Context {
  readonly tls: TlsContext
  /** Of its clients. */
  readonly resumable: ResumableTable
}

export class Contexts {
  readonly #all = new Map<number, Context>()

  get (number: number): Context | undefined { return this.#all.get(number) }

  /** Throws OpenSslError. */
  add ({ context, ...options }: Order & { readonly op: 'context' }): void {
    try {
      const tls = new TlsContext({ ...options, protocols: [alpnName] })
      this.#all.set(context, { tls, resumable: new ResumableTable(() => performance.now()) })
    } finally {
      options.privateKey.fill(0) // our copy of it: a key must not lie around
    }
  }

  /** Of a context that is gone nothing is kept. */
  keep ({ context, peer, resumable, forMs }: Order & { readonly op: 'keep' }): void {
    this.#all.get(context)?.resumable.keep(peer, resumable, forMs)
  }

  forget (number: number): void {
    const context = this.#all.get(number)
    this.#all.delete(number)
    context?.resumable.clear()
    context?.tls.close()
  }

  close (): void {
    for (const number of [...this.#all.keys()]) this.forget(number)
  }
}
