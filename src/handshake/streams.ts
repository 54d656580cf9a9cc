/** Sessions over Node's own sockets and TLS: the reference that every other transport has to agree with. */

import { encodeGreeting, flowExporterLabel, flowIdBytes } from '../frames/index.ts'
import { resetSocket } from '../sys/index.ts'
import { FrameChannel } from './channel.ts'
import { ownSvid } from './proof.ts'
import { Session } from './session.ts'
import { acceptTls, connectTls, peerChain } from './tls.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Role } from '../frames/index.ts'
import type { Svid } from '../identity/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { HandshakeParts } from './proof.ts'

/** Proves both ends of a connection that the local pod has opened. Ends `socket` when it throws. */
export async function secureOutbound (socket: Socket, parts: HandshakeParts, signal: AbortSignal): Promise<Session<FrameChannel>> {
  return await secure('client', socket, parts, signal)
}

/**
 * Proves both ends of a connection that has arrived for the local pod, at `reached`, with which it greets. Ends `socket`
 * when it throws.
 */
export async function secureInbound (socket: Socket, reached: SocketAddress, parts: HandshakeParts, signal: AbortSignal): Promise<Session<FrameChannel>> {
  return await secure('server', socket, parts, signal, reached)
}

async function secure (role: Role, socket: Socket, parts: HandshakeParts, signal: AbortSignal, reached?: SocketAddress): Promise<Session<FrameChannel>> {
  const { stream, svid } = await begin(role, socket, parts, signal)
  const channel = new FrameChannel(stream)
  signal.addEventListener('abort', () => { stream.destroy(signal.reason) }, { once: true })
  const flowId = stream.exportKeyingMaterial(flowIdBytes, flowExporterLabel, Buffer.alloc(0))
  // Node cannot write before the client's Finished has come; after it a server greets before it looks at anything else.
  if (reached !== undefined) channel.send(encodeGreeting({ role, flowId, address: reached }))
  return await Session.prove({
    role, svid, flowId, channel,
    asks: 'encrypt', // these streams cannot leave TLS: see StreamTransport
    chain: peerChain(stream),
    resumed: false,
    hangUp: () => hangUp(socket, stream, channel),
    cut: reason => { stream.destroy(reason) },
  }, parts)
}

async function begin (role: Role, socket: Socket, parts: HandshakeParts, signal: AbortSignal): Promise<{ readonly stream: TLSSocket, readonly svid: Svid }> {
  try {
    const svid = await ownSvid(parts, signal)
    return { stream: await (role === 'client' ? connectTls : acceptTls)(socket, svid, parts, signal), svid }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/**
 * Where both ends know that all has arrived the connection is reset, which spares both the TIME_WAIT state;
 * otherwise it is closed by FIN, so that the last frame gets through.
 */
async function hangUp (socket: Socket, stream: TLSSocket, channel: FrameChannel): Promise<void> {
  if (!channel.everythingArrived) { channel.ignore(); await closePolitely(socket, stream); return }
  resetSocket(socket)
}

/** How long a polite end may take before the socket is cut, ms. */
const lingerMs = 1000

/**
 * Sends what is queued and a FIN, drops what still comes until the peer has closed or time is up. What the kernel has
 * by then it delivers, however long the reader takes.
 */
async function closePolitely (socket: Socket, stream: TLSSocket): Promise<void> {
  if (stream.destroyed) return
  const cut = setTimeout(() => {
    // A peer that does not read has not even seen why: a reset is what it notices.
    if (!stream.writableFinished) resetSocket(socket)
    stream.destroy()
  }, lingerMs)
  const closed = new Promise<void>(resolve => { stream.once('close', () => { clearTimeout(cut); resolve() }) })
  // Unread bytes at close would make the kernel send a reset, which can overtake our last frame.
  stream.removeAllListeners('data')
  stream.resume()
  stream.end()
  await closed
}
