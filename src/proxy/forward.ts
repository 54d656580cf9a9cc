/** Moves the bytes of a permitted connection until it ends, and says how it ended. */

import { outcomeOfEnding } from './outcome-of.ts'
import type { Flow } from '../observe/index.ts'
import type { End, Ending } from '../relay/index.ts'
import type { Permit } from './authorize.ts'
import type { Close } from './outcome-of.ts'
import type { NodeParts, Secured } from './pod.ts'

/** Resolves when the connection is over; both ends are then gone. Never rejects. */
export async function forward (permit: Permit, client: End, server: End, { transport }: NodeParts): Promise<Close> {
  const { entry } = permit
  const { flow } = entry
  const ending = await transport.forward(client, server, (from, bytes) => { flow.moved(from === 'client' ? 'sent' : 'received', bytes) }, entry)
  const close = closeOf(ending, flow)
  return close.outcome === 'reset-by-server' && !isAgreed(entry.secured) ? { ...close, outcome: 'handshake-failed' } : close
}

/**
 * Whether the other end has accepted. A server greets before the client has proven anything, and the client then waits for
 * nothing: where it breaks without a verdict it has not come as far as its application.
 */
function isAgreed (secured: Secured): boolean {
  return secured.kind === 'plain' || secured.session.isAccepted
}

/** What an ending comes to; a refusal by the other end is written into the flow. */
export function closeOf (ending: Ending, flow: Flow): Close {
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
