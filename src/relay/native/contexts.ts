/**
 * Which certificates the threads have. A context lives as long as its certificate is the current one of its source:
 * making one per connection would cost more than the handshake.
 */

import type { HandshakeParts } from '../../handshake/index.ts'
import type { Svid } from '../../identity/index.ts'
import type { RelayThread } from './thread.ts'

interface Known {
  readonly svid: Svid
  readonly groups: string
  readonly context: number
  readonly threads: Set<ContextHolder>
  /** Stops hearing of changes of the source. */
  readonly leave: () => void
}

/** What has the contexts: a relay thread. */
export type ContextHolder = Pick<RelayThread, 'post'>

type Source = HandshakeParts['svids']

export class Contexts {
  readonly #bySource = new Map<Source, Known>()
  #last = 0

  /** The number of the context for `svid`, which `thread` then has; `svid` is the current one of `svids`. */
  numberOf (svid: Svid, { svids, groups }: Pick<HandshakeParts, 'svids' | 'groups'>, thread: ContextHolder): number {
    const known = this.#known(svid, svids, groups)
    if (!known.threads.has(thread)) {
      known.threads.add(thread)
      const privateKey = svid.privateKey.export({ type: 'pkcs8', format: 'der' })
      thread.post({ op: 'context', context: known.context, certificates: svid.certificates, privateKey, groups })
    }
    return known.context
  }

  close (): void {
    for (const source of [...this.#bySource.keys()]) this.#forget(source)
  }

  #known (svid: Svid, source: Source, groups: string): Known {
    const known = this.#bySource.get(source)
    if (known?.svid === svid && known.groups === groups) return known
    this.#forget(source)
    const leave = source.onChange(() => { this.#forget(source) })
    const fresh: Known = { svid, groups, context: ++this.#last, threads: new Set(), leave }
    this.#bySource.set(source, fresh)
    return fresh
  }

  /** Handshakes under way keep theirs: OpenSSL counts references. */
  #forget (source: Source): void {
    const known = this.#bySource.get(source)
    if (known === undefined) return
    this.#bySource.delete(source)
    known.leave()
    for (const thread of known.threads) thread.post({ op: 'forget', context: known.context })
  }
}
