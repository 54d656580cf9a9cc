/**
 * The life of a connection that arrives for a local pod.
 *
 * Each step knows more than the one before. Until `secured` we know addresses only; until the permit the application
 * has not heard of the connection; whatever happens, it ends in exactly one record. Where an agent speaks for the
 * client, one connection may follow another in the same session, and each begins anew here.
 */

import { authorize } from './authorize.ts'
import { addressesOf, agreeing, carriedBy, dialing, dismiss, measured, nobodyObjects } from './begin.ts'
import { endOf, forward } from './forward.ts'
import { outcomeOfError, resetReasonOf } from './outcome-of.ts'
import { offerNext } from './repeats.ts'
import type { Session, VerdictMessage } from '../handshake/index.ts'
import type { Flow } from '../observe/index.ts'
import type { Connection } from '../relay/index.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'
import type { Offer } from './repeats.ts'

/** Serves what comes over one accepted connection, until its end; never rejects. */
export async function serveInbound (client: Connection, pod: LocalPod, node: NodeParts): Promise<void> {
  let served = await serveOne(client, undefined, pod, node)
  while (served !== undefined && await node.idle.next(served.session, pod, served.offer)) served = await serveOne(client, served.session, pod, node)
}

/** A session that may carry another connection, and perhaps without being asked about it. */
interface Served {
  readonly session: Session
  readonly offer: Offer
}

/** Serves the first connection, or the next one of `known`; the session that may carry another is the result. */
async function serveOne (client: Connection, known: Session | undefined, pod: LocalPod, node: NodeParts): Promise<Served | undefined> {
  using flow = node.recorder.open('inbound', addressesOf(client))
  using ends = new DisposableStack()
  ends.use(known)
  try {
    ends.use(pod.places.take())
    flow.local(pod.identity())
    flow.arrivesAt(flow.addresses.originalDestination)

    using agreement = agreeing(pod, node)
    known?.obey(agreement.signal)
    const secured = known === undefined ? await secureClient(client, flow, pod, node, agreement.signal) : carriedBy(known, flow)
    ends.use(endOf(secured))
    const theirs = await hearClient(secured, flow, node)

    const entry = ends.use(node.registry.admit(flow, pod, secured, flow.addresses.originalDestination))
    const judgement = authorize(entry, node)
    if (secured.kind === 'verified') secured.session.tell(judgement.message)
    agreement[Symbol.dispose]()

    if (judgement.kind === 'denied' || !theirs.accepted) {
      if (!theirs.accepted) flow.deniedByPeer(theirs.decidedBy, theirs.reason)
      flow.close(theirs.accepted ? 'denied-by-policy' : 'denied-by-peer')
      await dismiss(secured)
      return undefined
    }
    const application = await dialApplication(client, secured, flow, pod, node)
    const { outcome, detail } = await forward(judgement.permit, endOf(secured), application, node)
    flow.close(outcome, detail)
    return secured.kind === 'verified' && secured.session.isResting ? { session: secured.session, offer: offerNext(entry, client, node) } : undefined
  } catch (error) {
    client.reset()
    const { outcome, detail } = outcomeOfError(error)
    flow.close(outcome, detail)
    return undefined
  }
}

/** Proves the client, where an agent speaks for it; takes over `client`. */
async function secureClient (client: Connection, flow: Flow, pod: LocalPod, node: NodeParts, signal: AbortSignal): Promise<Secured> {
  const { client: { ip }, originalDestination } = flow.addresses
  if (!pod.agentSpeaks(client)) {
    const reason = pod.isFromNode(flow.addresses.client, originalDestination) ? 'node' : 'no-agent'
    return { kind: 'plain', connection: client, peer: { kind: 'unverified', reason, ip } }
  }
  flow.modeIs('encrypt')
  flow.remote({ kind: 'unverified', reason: 'handshake-refused', ip })
  const session = await measured('inbound', node, () => node.transport.secureInbound(client, pod.handshake, signal))
  flow.identifiedAs(session.flowId)
  return { kind: 'verified', session }
}

/** Hears whom the client's end has dialled, and what it says of us. */
async function hearClient (secured: Secured, flow: Flow, { metrics }: NodeParts): Promise<VerdictMessage> {
  if (secured.kind === 'plain') return nobodyObjects
  const { session } = secured
  const isReused = session.uses > 1
  if (isReused) session.greet(flow.addresses.originalDestination) // the first greeting has travelled with the handshake
  await session.greeted()
  if (isReused) metrics.sessionUsed('inbound', 'reused')
  return await session.told()
}

/** Dials the application from the client's address; the client's agent hears why that failed. */
async function dialApplication (client: Connection, secured: Secured, flow: Flow, pod: LocalPod, node: NodeParts): Promise<Connection> {
  using deadline = dialing(pod, node)
  try {
    return await pod.dialPod(client, flow.addresses.originalDestination, deadline.signal)
  } catch (error) {
    if (secured.kind === 'verified') {
      const close = outcomeOfError(error)
      await secured.session.abort(resetReasonOf(close), close.detail)
    }
    throw error
  }
}
