/** What both directions do before they know anything. */

import { HandshakeError } from '../handshake/index.ts'
import { Deadline } from '../lib/deadline.ts'
import { socketAddress } from '../model/address.ts'
import type { Socket } from 'node:net'
import type { FlowAddresses } from '../observe/index.ts'
import type { LocalPod, NodeParts, Secured } from './pod.ts'

/** The addresses of an accepted socket: TPROXY made its local address the original destination. */
export function addressesOf (socket: Socket): FlowAddresses {
  const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket
  return { client: socketAddress(remoteAddress, remotePort), originalDestination: socketAddress(localAddress, localPort) }
}

class DialTimeout extends Error {
  readonly code = 'upstream-timeout'
}

/** The time that a dial may take; ends with the pod, too. */
export function dialing (pod: LocalPod, { clock, timeouts }: NodeParts): Deadline {
  return new Deadline({ clock, ms: timeouts.connectMs, parent: pod.closing, reason: () => new DialTimeout(`no answer in ${timeouts.connectMs} ms`) })
}

/** The time that the agents may take to agree; ends with the pod, too. */
export function agreeing (pod: LocalPod, { clock, timeouts }: NodeParts): Deadline {
  const reason = (): Error => new HandshakeError('handshake-timeout', `no agreement in ${timeouts.handshakeMs} ms`)
  return new Deadline({ clock, ms: timeouts.handshakeMs, parent: pod.closing, reason })
}

/** Aborts a socket that leads nowhere; the application sees a reset. */
export function reset (socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy()
}

/** Ends the far side of a connection that was not permitted, letting an agent there hear why. */
export async function dismiss (secured: Secured): Promise<void> {
  if (secured.kind === 'verified') await secured.session.close()
  else reset(secured.socket)
}
