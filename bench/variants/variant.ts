/** A way from the client to the server. */

import type { Daemon } from '../../test/fixtures/lab/daemon.ts'
import type { Pair } from '../pair.ts'

/** Where the client dials for the server's port. */
export type Dial = (port: number) => { readonly host: string, readonly port: number }

/** A path that is up, with the applications behind it not yet started. */
export interface Path {
  readonly dial: Dial
  /** What moves the bytes on node A and on node B; none on a direct path. */
  readonly proxies: readonly Daemon[]
}

export interface Variant {
  readonly name: string
  /** One line for `--help` and the table. */
  readonly about: string
  /** Measured without being asked for. */
  readonly usual: boolean
  /** Commands that must be there. */
  readonly needs: readonly string[]
  /** Throws BenchError 'variant-failed'. `nodeFlags` are for proxies that are Node programs; others have no use for them. */
  open (pair: Pair, nodeFlags?: readonly string[]): Promise<Path>
}
