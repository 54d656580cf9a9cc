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
  return closeOf(ending, flow)
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
