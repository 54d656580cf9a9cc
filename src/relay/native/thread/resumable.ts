/**
 * What clients may rest a handshake on: a key that both ends have from an earlier one, and whom that has proven.
 *
 * A key belongs to one certificate of ours, is here only once its peer's chain was verified, and is gone with the context
 * when that certificate or trust changes. Nothing is signed out as a ticket: what is not in this table is worth nothing.
 */

import { isDeepStrictEqual } from 'node:util'
import type { PresharedKey } from '../../../sys/index.ts'

/** What a handshake has left; both ends have its key from the TLS exporter. */
export interface Resumable extends PresharedKey {
  /** What the client has shown, leaf first, DER. */
  readonly chain: readonly Uint8Array[]
}

/** So many of one peer, as many as it has connections to begin at once or little more: it pushes out its own, and not those of others. */
const mostOfPeer = 16
/** Of the thread: some hundred bytes each, and the chain once for each peer. */
const mostOfAll = 4096

/** All keys of one peer towards one context. */
interface Peer {
  readonly key: string
  chain: readonly Uint8Array[]
  /** Oldest first. */
  readonly names: Set<string>
}

interface Kept {
  readonly context: number
  readonly peer: Peer
  readonly resumable: Resumable
  readonly untilMs: number
}

export class ResumableTable {
  /** By identity; the oldest is first. */
  readonly #kept = new Map<string, Kept>()
  readonly #peers = new Map<string, Peer>()
  readonly #now: () => number

  /** @param now monotonic, ms */
  constructor (now: () => number) {
    this.#now = now
  }

  /** @param peerName who it is, so that it cannot take everybody's room */
  keep (context: number, peerName: string, { identity, secret, chain }: Resumable, forMs: number): void {
    const name = nameOf(identity)
    this.#forget(name)
    const peer = this.#peer(`${context} ${peerName}`, chain)
    peer.names.add(name)
    this.#kept.set(name, { context, peer, resumable: { identity, secret, chain: peer.chain }, untilMs: this.#now() + forMs })
    this.#forgetOld()
    if (peer.names.size > mostOfPeer) this.#forget(peer.names.values().next().value ?? '')
    if (this.#kept.size > mostOfAll) this.#forget(this.#kept.keys().next().value ?? '')
  }

  find (context: number, identity: Uint8Array): Resumable | undefined {
    const kept = this.#kept.get(nameOf(identity))
    return kept?.context === context && this.#now() < kept.untilMs ? kept.resumable : undefined
  }

  /** Everything of a context. */
  clear (context: number): void {
    for (const [name, kept] of this.#kept) if (kept.context === context) this.#forget(name)
  }

  #peer (key: string, chain: readonly Uint8Array[]): Peer {
    const peer = this.#peers.get(key) ?? { key, chain, names: new Set() }
    this.#peers.set(key, peer)
    if (!isDeepStrictEqual(peer.chain, chain)) peer.chain = chain
    return peer
  }

  /** Those that were kept first end first, or nearly so; who is found too late is not found anyway. */
  #forgetOld (): void {
    const nowMs = this.#now()
    for (const [name, { untilMs }] of this.#kept) {
      if (nowMs < untilMs) return
      this.#forget(name)
    }
  }

  #forget (name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    kept.resumable.secret.fill(0)
    this.#kept.delete(name)
    const { names, key } = kept.peer
    names.delete(name)
    if (names.size === 0) this.#peers.delete(key)
  }
}

function nameOf (identity: Uint8Array): string {
  return Buffer.from(identity).toString('latin1')
}
