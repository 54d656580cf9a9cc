/**
 * The life of a connection that a local pod opens.
 *
 * Each step knows more than the one before. Until there is a session we know addresses only; until the permit no byte
 * of the application has left the pod; whatever happens, the connection ends in exactly one record.
 */

import { authorize } from './authorize.ts'
import { addressesOf, agreeing, answering, carriedBy, dialing, dismiss, measured, nobodyObjects } from './begin.ts'
import { endOf, forward } from './forward.ts'
import { outcomeOfError } from './outcome-of.ts'
import { offerNext } from './repeats.ts'
import type { VerdictMessage } from '../handshake/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Flow } from '../observe/index.ts'
import type { Connection } from '../relay/index.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'

/** Serves one accepted connection until its end; never rejects. */
export async function serveOutbound (client: Connection, pod: LocalPod, node: NodeParts): Promise<void> {
  using flow = node.recorder.open('outbound', addressesOf(client))
  try {
    using _place = pod.places.take()
    flow.local(pod.identity())
    if (!await overIdle(client, flow, pod, node)) await overFresh(client, flow, pod, node)
  } catch (error) {
    client.reset()
    const { outcome, detail } = outcomeOfError(error)
    flow.close(outcome, detail)
  }
}

/** Over an idle session to the same destination; false when there is none that lives: then nothing has happened yet. */
async function overIdle (client: Connection, flow: Flow, pod: LocalPod, node: NodeParts): Promise<boolean> {
  using session = node.idle.take(pod, flow.addresses.originalDestination, idle => node.transport.canForward(client, idle))
  if (session === undefined) return false
  const secured = carriedBy(session, flow)
  const destination = await realDestination(secured, flow)
  return await decide(secured, destination, client, flow, pod, node)
}

/** Over a connection of its own. */
async function overFresh (client: Connection, flow: Flow, pod: LocalPod, node: NodeParts): Promise<void> {
  using server = await dialServer(client, flow, pod, node)
  using agreement = agreeing(pod, node)
  const secured = await secureServer(server, flow, pod, node, agreement.signal)
  using _end = endOf(secured)
  const destination = await realDestination(secured, flow)
  agreement[Symbol.dispose]()
  await decide(secured, destination, client, flow, pod, node)
}

/** From knowing the other end to the end of the connection; false when an idle session turns out to be dead. */
async function decide (secured: Secured, destination: SocketAddress, client: Connection, flow: Flow, pod: LocalPod, node: NodeParts): Promise<boolean> {
  using entry = node.registry.admit(flow, pod, secured, destination)
  const judgement = authorize(entry, node)
  if (secured.kind === 'verified') secured.session.tell(judgement.message)
  const theirs = judgement.kind === 'denied' ? nobodyObjects : await hearServer(secured, flow, pod, node)
  if (theirs === undefined) return false

  if (judgement.kind === 'denied' || !theirs.accepted) {
    if (!theirs.accepted) flow.deniedByPeer(theirs.decidedBy, theirs.reason)
    flow.close(theirs.accepted ? 'denied-by-policy' : 'denied-by-peer')
    client.reset()
    await dismiss(secured)
    return true
  }
  const { outcome, detail } = await forward(judgement.permit, client, endOf(secured), node)
  flow.close(outcome, detail)
  if (secured.kind === 'verified' && secured.session.isResting) node.idle.keep(secured.session, pod, flow.addresses.originalDestination, offerNext(entry, client, node))
  return true
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

/** Where the connection arrives: behind a Service or a load balancer only the server's agent can tell, in its first greeting. */
async function realDestination (secured: Secured, flow: Flow): Promise<SocketAddress> {
  const { originalDestination } = flow.addresses
  if (secured.kind === 'plain') return originalDestination
  const real = secured.session.reached ?? await secured.session.greeted()
  secured.session.greet(originalDestination)
  flow.arrivesAt(real)
  return real
}

/**
 * What the server's end says. On a fresh session nobody waits for it: it is heard while bytes flow. On an idle one it
 * is the sign of life before anything is read from the application; `undefined` without.
 */
async function hearServer (secured: Secured, { addresses }: Flow, pod: LocalPod, node: NodeParts): Promise<VerdictMessage | undefined> {
  if (secured.kind === 'plain' || secured.session.uses === 1) return nobodyObjects
  using deadline = answering(pod, node)
  secured.session.obey(deadline.signal)
  try {
    await secured.session.greeted()
    const verdict = await secured.session.told()
    node.metrics.sessionUsed('outbound', 'reused')
    return verdict
  } catch {
    // Whatever has become of it is for the fresh one to find out; the others to that destination are in doubt, too.
    node.metrics.sessionUsed('outbound', 'stale')
    node.idle.drop(pod, addresses.originalDestination)
    return undefined
  }
}
