/** Who stands at the other end of a connection: an agent (told by the TCP option, or declared by lists), or the node itself. */

import { expectsAgent, peerAnswers, peerSpeaks } from '../capture/index.ts'
import type { DeclaredPeers } from '../capture/index.ts'
import type { ClientAddress, OriginalDestination } from '../model/address.ts'
import type { Connection } from '../relay/index.ts'

export interface Peering {
  /** Of an outbound connection that is established. */
  agentAnswered (server: Connection): boolean
  /** Of an accepted inbound connection; asked once. */
  agentSpeaks (client: Connection): boolean
}

/** Whether a connection that arrives at a workload was opened by the workload's own node. */
export interface OwnNode {
  isFromNode (client: ClientAddress, to: OriginalDestination): boolean
}

/** Where a node is nobody in particular. */
export const nobodysNode: OwnNode = { isFromNode: () => false }

/** By the option that the kernel has seen in SYN and SYN-ACK. */
export const optionPeering: Peering = {
  agentAnswered: server => ask(server, peerAnswers),
  agentSpeaks: client => ask(client, peerSpeaks),
}

/** By lists of addresses. */
export function declaredPeering (declared: DeclaredPeers): Peering {
  const expects = ({ remote }: Connection): boolean => expectsAgent(remote.ip, declared)
  return { agentAnswered: expects, agentSpeaks: expects }
}

/** A connection that is gone already has nothing to say. */
function ask ({ descriptor }: Connection, question: (fd: number) => boolean): boolean {
  return descriptor !== undefined && question(descriptor)
}
