/**
 * Which certificates the threads have. A context lives as long as its certificate is the current one of its source, and
 * trust is as it was: making one per connection would cost more than the handshake. With it goes all that handshakes may
 * rest on: what was proven to another certificate, or under another trust, is to be proven again.
 */

import { Offers } from './offers.ts'
import type { HandshakeParts } from '../../handshake/index.ts'
import type { Svid, TrustBundles } from '../../identity/index.ts'
import type { RelayThread } from './thread.ts'
import type { Resumable } from './thread/resumable.ts'

type Source = HandshakeParts['svids']

export interface Context {
  readonly number: number
  readonly source: Source
  readonly svid: Svid
  /** What its pod may offer to servers. */
  readonly offers: Offers
}

interface Known extends Context {
  readonly groups: string
  readonly trust: TrustBundles
  readonly threads: Set<ContextHolder>
  /** Stops hearing of changes of the source. */
  readonly leave: () => void
}

/** What has the contexts: a relay thread. */
export type ContextHolder = Pick<RelayThread, 'post'>

/** What a context is made from. */
export type ContextParts = Pick<HandshakeParts, 'svids' | 'groups' | 'trust'>

export class Contexts {
  readonly #threads: readonly ContextHolder[]
  readonly #bySource = new Map<Source, Known>()
  #last = 0

  constructor (threads: readonly ContextHolder[]) {
    this.#threads = threads
  }

  /** The context for `svid`, which `thread` then has; `svid` is the current one of `svids`. */
  of (svid: Svid, parts: ContextParts, thread: ContextHolder): Context {
    const known = this.#known(svid, parts)
    this.#equip(thread, known)
    return known
  }

  /** A client was proven, and may rest its next handshakes on that in any thread, as long as the context is there. */
  keep (context: Context, peer: string, resumable: Resumable, forMs: number): void {
    const known = this.#bySource.get(context.source)
    if (known !== context) return
    for (const thread of this.#threads) {
      this.#equip(thread, known)
      thread.post({ op: 'keep', context: known.number, peer, resumable, forMs })
    }
  }

  close (): void {
    for (const source of [...this.#bySource.keys()]) this.#forget(source)
  }

  #equip (thread: ContextHolder, { number, svid, groups, threads }: Known): void {
    if (threads.has(thread)) return
    threads.add(thread)
    const privateKey = svid.privateKey.export({ type: 'pkcs8', format: 'der' })
    thread.post({ op: 'context', context: number, certificates: svid.certificates, privateKey, groups })
  }

  #known (svid: Svid, { svids: source, groups, trust: trustSource }: ContextParts): Known {
    const trust = trustSource.bundles()
    const known = this.#bySource.get(source)
    if (known?.svid === svid && known.groups === groups && known.trust === trust) return known
    this.#forget(source)
    const leave = source.onChange(() => { this.#forget(source) })
    const fresh: Known = { number: ++this.#last, source, svid, groups, trust, offers: new Offers(), threads: new Set(), leave }
    this.#bySource.set(source, fresh)
    return fresh
  }

  /** Handshakes under way keep theirs: OpenSSL counts references. */
  #forget (source: Source): void {
    const known = this.#bySource.get(source)
    if (known === undefined) return
    this.#bySource.delete(source)
    known.leave()
    for (const thread of known.threads) thread.post({ op: 'forget', context: known.number })
  }
}
