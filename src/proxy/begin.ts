/** What both directions do before they know anything. */

import { HandshakeError } from '../handshake/index.ts'
import { Deadline } from '../lib/deadline.ts'
import { peerOf } from './registry.ts'
import type { Session, VerdictMessage } from '../handshake/index.ts'
import type { Direction } from '../model/flow.ts'
import type { Flow, FlowAddresses } from '../observe/index.ts'
import type { Connection } from '../relay/index.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'

/** The addresses of an accepted connection: TPROXY made its local address the original destination. */
export function addressesOf ({ local, remote }: Connection): FlowAddresses {
  return { client: remote, originalDestination: local }
}

class DialTimeout extends Error {
  readonly code = 'upstream-timeout'
}

/** The time that a dial may take; ends with the pod, too. */
export function dialing (pod: LocalPod, { clock, timeouts }: NodeParts): Deadline {
  return new Deadline({ clock, ms: timeouts.connectMs, parent: pod.closing, reason: () => new DialTimeout(`no answer in ${timeouts.connectMs} ms`) })
}

/** The time that the two ends have to agree, and a place among the pod's handshakes. Ends with the pod, too. */
export class Agreement implements Disposable {
  #place: Disposable | undefined
  #deadline: Deadline | undefined

  constructor (place: Disposable, deadline: Deadline) {
    this.#place = place
    this.#deadline = deadline
  }

  get signal (): AbortSignal {
    if (this.#deadline === undefined) throw new Error('the two ends have agreed')
    return this.#deadline.signal
  }

  /** Keeps nothing: this lives as long as the connection. */
  [Symbol.dispose] (): void {
    this.#deadline?.[Symbol.dispose]()
    this.#place?.[Symbol.dispose]()
    this.#deadline = this.#place = undefined
  }
}

/** Throws LimitError when too many handshakes of the pod are under way. */
export function agreeing (pod: LocalPod, { clock, timeouts }: NodeParts): Agreement {
  const place = pod.handshakes.take()
  const reason = (): Error => new HandshakeError('handshake-timeout', `no agreement in ${timeouts.handshakeMs} ms`)
  return new Agreement(place, new Deadline({ clock, ms: timeouts.handshakeMs, parent: pod.closing, reason }))
}

/**
 * The time that the other end has to answer on an idle session; then the session counts as dead, and the client takes
 * a fresh one. Less than an application would wait, and more than a packet that is lost takes to be sent again.
 */
export const answerMs = 2000

/** Ends with the pod, too. */
export function answering (pod: LocalPod, { clock }: NodeParts): Deadline {
  return new Deadline({ clock, ms: answerMs, parent: pod.closing, reason: () => new HandshakeError('handshake-timeout', `no answer in ${answerMs} ms`) })
}

/** Runs a handshake, and tells the metrics how long it took and how it ended. */
export async function measured (direction: Direction, { clock, metrics }: NodeParts, handshake: () => Promise<Session>): Promise<Session> {
  const from = clock.monotonic()
  const ended = (result: string): void => { metrics.handshakeEnded(direction, result, (clock.monotonic() - from) / 1000) }
  try {
    const session = await handshake()
    ended('ok')
    metrics.sessionUsed(direction, session.isResumed ? 'resumed' : 'fresh')
    return session
  } catch (error) {
    // The detail of 'peer-untrusted' is from the closed list of identity codes; no other detail is fit for a label.
    if (error instanceof HandshakeError) ended(error.code === 'peer-untrusted' ? error.detail : error.code)
    else ended('aborted')
    throw error
  }
}

/** A session that has carried others carries this connection: the other end is known, and nothing of it is believed that has changed. */
export function carriedBy (session: Session, flow: Flow): Secured {
  const secured: Secured = { kind: 'verified', session }
  flow.modeIs('encrypt')
  flow.identifiedAs(session.flowId)
  flow.remote(peerOf(secured, flow))
  return secured
}

/** What an end says that says nothing, or is not heard yet. */
export const nobodyObjects: VerdictMessage = { accepted: true, mode: 'encrypt', decidedBy: '', reason: '' }

/** Ends the far side of a connection that was not permitted, letting an agent there hear why. */
export async function dismiss (secured: Secured): Promise<void> {
  if (secured.kind === 'verified') await secured.session.close()
  else secured.connection.reset()
}
