/** Moves the bytes of a permitted connection until it ends, and says how it ended. */

import { SessionLeg, SocketLeg, join } from '../relay/index.ts'
import { outcomeOfEnding } from './outcome-of.ts'
import type { Leg } from '../relay/index.ts'
import type { Permit } from './authorize.ts'
import type { Close } from './outcome-of.ts'
import type { Secured } from './pod.ts'

/** Resolves when the connection is over; both legs are then ended. Never rejects. */
export async function forward (permit: Permit, client: Leg, server: Leg): Promise<Close> {
  const { flow, revoked } = permit.entry
  const ending = await join(client, server, (from, bytes) => { flow.moved(from === 'client' ? 'sent' : 'received', bytes) }, revoked)
  if (ending.kind === 'aborted' && ending.abort.kind === 'refused') {
    const { decidedBy, reason } = ending.abort.verdict
    flow.deniedByPeer(decidedBy, reason)
  }
  return outcomeOfEnding(ending)
}

/** The leg towards the other end. */
export function legOf (secured: Secured): Leg {
  return secured.kind === 'verified' ? new SessionLeg(secured.session) : new SocketLeg(secured.socket)
}
