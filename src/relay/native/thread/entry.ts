/** What a relay thread has of each connection. */

import type { ConnectionId } from '../protocol.ts'
import type { Leg } from './leg.ts'
import type { Pump } from './pump.ts'
import type { Secured } from './secured.ts'
import type { Securing } from './securing.ts'
import type { Dial, RawSocket } from './socket.ts'

/** What is behind a number. */
export type Entry =
  | { readonly is: 'dialling', readonly dial: Dial }
  | { readonly is: 'raw', readonly socket: RawSocket }
  | { readonly is: 'securing', readonly securing: Securing }
  | { readonly is: 'secured', readonly secured: Secured }
  | { readonly is: 'forwarding', readonly forward: Forward, readonly end: ForwardEnd }

export interface Forward {
  /** What the main thread calls it. */
  readonly name: ConnectionId
  /** Of both ends. */
  readonly ends: readonly ConnectionId[]
  readonly pump: Pump
}

/** One end of what is forwarded; a session is there afterwards, too. */
export interface ForwardEnd {
  readonly leg: Leg
  readonly secured: Secured | undefined
}
