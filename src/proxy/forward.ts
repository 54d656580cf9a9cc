/** Moves the bytes of a permitted connection until it ends, and says how it ended. */

import { outcomeOfEnding } from './outcome-of.ts'
import type { End } from '../relay/index.ts'
import type { Permit } from './authorize.ts'
import type { Close } from './outcome-of.ts'
import type { NodeParts, Secured } from './pod.ts'

/** Resolves when the connection is over; both ends are then gone. Never rejects. */
export async function forward (permit: Permit, client: End, server: End, { transport }: NodeParts): Promise<Close> {
  const { flow, revoked } = permit.entry
  const ending = await transport.forward(client, server, (from, bytes) => { flow.moved(from === 'client' ? 'sent' : 'received', bytes) }, revoked)
  if (ending.kind === 'aborted' && ending.abort.kind === 'refused') {
    const { decidedBy, reason } = ending.abort.verdict
    flow.deniedByPeer(decidedBy, reason)
  }
  return outcomeOfEnding(ending)
}

/** What is forwarded towards the other end. */
export function endOf (secured: Secured): End {
  return secured.kind === 'verified' ? secured.session : secured.connection
}
