/**
 * The life of a connection that a local pod opens.
 *
 * Each step knows more than the one before. Until `secured` we know addresses only; until the permit no byte of the
 * application has left the pod; whatever happens, the connection ends in exactly one record.
 */

import { authorize } from './authorize.ts'
import { addressesOf, agreeing, dialing, dismiss, measured } from './begin.ts'
import { endOf, forward } from './forward.ts'
import { outcomeOfError } from './outcome-of.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Flow } from '../observe/index.ts'
import type { Connection } from '../relay/index.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'

/** Serves one accepted connection until its end; never rejects. */
export async function serveOutbound (client: Connection, pod: LocalPod, node: NodeParts): Promise<void> {
  using flow = node.recorder.open('outbound', addressesOf(client))
  using ends = new DisposableStack()
  try {
    ends.use(pod.places.take())
    flow.local(pod.identity())

    const server = ends.use(await dialServer(client, flow, pod, node))
    using agreement = agreeing(pod, node)
    const secured = await secureServer(server, flow, pod, node, agreement.signal)
    ends.use(endOf(secured))
    const destination = await realDestination(secured, flow)

    const entry = ends.use(node.registry.admit(flow, pod, secured, destination))
    const judgement = authorize(entry, node)
    if (secured.kind === 'verified') secured.session.tell(judgement.message)
    agreement[Symbol.dispose]()

    if (judgement.kind === 'denied') {
      flow.close('denied-by-policy')
      client.reset()
      await dismiss(secured)
      return
    }
    const { outcome, detail } = await forward(judgement.permit, client, endOf(secured), node)
    flow.close(outcome, detail)
  } catch (error) {
    client.reset()
    const { outcome, detail } = outcomeOfError(error)
    flow.close(outcome, detail)
  }
}

async function dialServer (client: Connection, flow: Flow, pod: LocalPod, node: NodeParts): Promise<Connection> {
  using deadline = dialing(pod, node)
  return await pod.dialOut(client, flow.addresses.originalDestination, deadline.signal)
}

/** Proves the server, where an agent answers for it; takes over `server`. */
async function secureServer (server: Connection, flow: Flow, pod: LocalPod, node: NodeParts, signal: AbortSignal): Promise<Secured> {
  const ip = flow.addresses.originalDestination.ip
  if (!pod.agentAnswered(server)) return { kind: 'plain', connection: server, peer: { kind: 'unverified', reason: 'no-agent', ip } }
  flow.modeIs('encrypt')
  flow.remote({ kind: 'unverified', reason: 'handshake-refused', ip })
  const session = await measured('outbound', node, () => node.transport.secureOutbound(server, pod.handshake, signal))
  flow.identifiedAs(session.flowId)
  return { kind: 'verified', session }
}

/** Where the connection arrives: behind a Service or a load balancer only the server's agent can tell. */
async function realDestination (secured: Secured, flow: Flow): Promise<SocketAddress> {
  const { originalDestination } = flow.addresses
  if (secured.kind === 'plain') return originalDestination
  const real = await secured.session.greeted()
  secured.session.greet(originalDestination)
  flow.arrivesAt(real)
  return real
}
