/** The certificates that connections are secured with, by number, and what each has proven that may be proven shorter the next time. */

import { alpnName } from '../../../frames/index.ts'
import { TlsContext } from '../../../sys/index.ts'
import { ResumableTable } from './resumable.ts'
import type { Order } from '../protocol.ts'
import type { Resumable } from './resumable.ts'

export interface Context {
  readonly tls: TlsContext
  /** What a client of it offers, if that is known. */
  find (identity: Uint8Array): Resumable | undefined
}

export class Contexts {
  readonly #all = new Map<number, Context>()
  readonly #resumable = new ResumableTable(() => performance.now())

  get (number: number): Context | undefined { return this.#all.get(number) }

  /** Throws OpenSslError. */
  add ({ context, ...options }: Order & { readonly op: 'context' }): void {
    try {
      const tls = new TlsContext({ ...options, protocols: [alpnName] })
      this.#all.set(context, { tls, find: identity => this.#resumable.find(context, identity) })
    } finally {
      options.privateKey.fill(0) // our copy of it: a key must not lie around
    }
  }

  /** Of a context that is gone nothing is kept. */
  keep ({ context, peer, resumable, forMs }: Order & { readonly op: 'keep' }): void {
    if (this.#all.has(context)) this.#resumable.keep(context, peer, resumable, forMs)
  }

  forget (number: number): void {
    this.#all.get(number)?.tls.close()
    this.#all.delete(number)
    this.#resumable.clear(number)
  }

  close (): void {
    for (const number of [...this.#all.keys()]) this.forget(number)
  }
}
