/**
 * What clients may rest a handshake on: a key that both ends have from an earlier one, and whom that has proven.
 *
 * A key belongs to one certificate of ours, is here only once its peer's chain was verified, and is gone with the context
 * when that certificate or trust changes. Nothing is signed out as a ticket: what is not in this table is worth nothing.
 */

import type { PresharedKey } from '../../../sys/index.ts'

/** What a handshake has left; both ends have its key from the TLS exporter. */
export interface Resumable extends PresharedKey {
  /** What the client has shown, leaf first, DER. */
  readonly chain: readonly Uint8Array[]
}

/** So many of one peer: no more than it can use, so it pushes out its own and not those of others. */
const mostOfPeer = 32
const mostOfAll = 1024

interface Kept {
  readonly peer: string
  readonly resumable: Resumable
  readonly untilMs: number
}

export class ResumableTable {
  /** By identity; the oldest is first. */
  readonly #kept = new Map<string, Kept>()
  readonly #ofPeer = new Map<string, Set<string>>()
  readonly #now: () => number

  /** @param now monotonic, ms */
  constructor (now: () => number) {
    this.#now = now
  }

  /** @param peer who it is, so that it cannot take everybody's room */
  keep (peer: string, resumable: Resumable, forMs: number): void {
    const name = nameOf(resumable.identity)
    this.#forget(name)
    const own = this.#ofPeer.get(peer) ?? new Set()
    this.#ofPeer.set(peer, own.add(name))
    this.#kept.set(name, { peer, resumable, untilMs: this.#now() + forMs })
    this.#forgetOld(this.#now())
    if (own.size > mostOfPeer) this.#forget(first(own))
    if (this.#kept.size > mostOfAll) this.#forget(first(this.#kept.keys()))
  }

  find (identity: Uint8Array): Resumable | undefined {
    const kept = this.#kept.get(nameOf(identity))
    return kept !== undefined && this.#now() < kept.untilMs ? kept.resumable : undefined
  }

  clear (): void {
    for (const name of [...this.#kept.keys()]) this.#forget(name)
  }

  /** Those that were kept first end first, or nearly so; who is found too late is not found anyway. */
  #forgetOld (nowMs: number): void {
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
    const own = this.#ofPeer.get(kept.peer)
    own?.delete(name)
    if (own?.size === 0) this.#ofPeer.delete(kept.peer)
  }
}

function nameOf (identity: Uint8Array): string {
  return Buffer.from(identity).toString('latin1')
}

function first (names: Iterable<string>): string {
  for (const name of names) return name
  return ''
}
