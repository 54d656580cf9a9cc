/**
 * A proven connection between two agents: TLS 1.3 is up, the peer's certificate is verified, and what is left to
 * say (greeting, verdict) travels in frames.
 *
 *      client                                server
 *        |  <------------- greeting ------------ |   real destination, after all NAT
 *        |  -------------- greeting -----------> |   what was dialled
 *        |  -------------- verdict ------------> |   egress, on the server's attributes
 *        |  -------------- data … -------------> |   (only after an accepting verdict; waits for nothing)
 *        |  <------------- verdict ------------- |   ingress, on the client's attributes
 *        |  <------------- data … -------------- |
 */

import { HandshakeError } from './error.ts'
import { FrameChannel } from './channel.ts'
import { FrameType } from './frames.ts'
import { decodeGreeting, decodeVerdict, encodeCertificate, encodeGreeting, encodeVerdict, flowIdBytes } from './messages.ts'
import { acceptTls, connectTls, peerChain } from './tls.ts'
import { verifyChain } from '../identity/index.ts'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import { sameSpiffeId } from '../model/spiffe-id.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Svid, SvidSource, TrustSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Identity } from '../model/workload.ts'
import type { Role, VerdictMessage } from './messages.ts'
import type { TlsOptions } from './tls.ts'

/** What a handshake needs. `svids` can vouch for one pod only: the one whose connection it is. */
export interface HandshakeParts extends TlsOptions {
  readonly svids: SvidSource
  readonly trust: TrustSource
  readonly clock: Clock
}

/** Whom the handshake has proven. */
export interface ProvenPeer {
  readonly identity: Identity
  readonly notAfterMs: number
  /** The chain as shown, leaf first, DER: it is verified again when trust changes. */
  readonly chain: readonly Uint8Array[]
}

/** Label of the TLS exporter (RFC 8446, 7.5) that names a flow. */
const flowExporterLabel = 'EXPORTER-liburna-flow'

/** What a session is made of, once the peer is proven. */
interface Established {
  readonly role: Role
  readonly socket: Socket
  readonly stream: TLSSocket
  readonly channel: FrameChannel
  readonly peer: ProvenPeer
  readonly parts: HandshakeParts
}

export class Session {
  readonly channel: FrameChannel
  /** The peer has shown a newer certificate: `peer` has changed. */
  readonly renewed = new Emitter<ProvenPeer>()
  readonly #role: Role
  readonly #flowId: Uint8Array
  readonly #stream: TLSSocket
  readonly #socket: Socket
  readonly #parts: HandshakeParts
  #peer: ProvenPeer

  constructor ({ role, socket, stream, channel, peer, parts }: Established) {
    this.#role = role
    this.#socket = socket
    this.#stream = stream
    this.#flowId = stream.exportKeyingMaterial(flowIdBytes, flowExporterLabel, Buffer.alloc(0))
    this.#parts = parts
    this.#peer = peer
    this.channel = channel
  }

  get peer (): ProvenPeer { return this.#peer }

  /** Names the flow in the records of both ends; 32 hex digits. */
  get flowId (): string { return Buffer.from(this.#flowId).toString('hex') }

  greet (address: SocketAddress): void {
    this.channel.send(encodeGreeting({ role: this.#role, flowId: this.#flowId, address }))
  }

  /** What the other end's greeting tells: the real destination (from a server), what was dialled (from a client). */
  async greeted (): Promise<SocketAddress> {
    const payload = await this.channel.next(FrameType.greeting)
    return decodeGreeting(payload, this.#role === 'client' ? 'server' : 'client', this.#flowId).address
  }

  tell (verdict: VerdictMessage): void {
    this.channel.send(encodeVerdict(verdict))
  }

  /** The other end's verdict. */
  async told (): Promise<VerdictMessage> {
    return decodeVerdict(await this.channel.next(FrameType.verdict))
  }

  /** Shows the peer our new certificate. */
  renew (svid: Svid): void {
    this.channel.send(encodeCertificate(svid.certificates))
  }

  /**
   * Takes over what a newer certificate of the peer says; throws HandshakeError when it does not verify, or is not
   * of the pod that the handshake has proven.
   *
   * The key of the new certificate is not proven here, and need not be: whoever holds this session was proven to
   * act for the pod with this uid, and the issuer says in the new certificate what that pod is now. An agent could
   * hold an update back, which is no more than going on with the old certificate until that ends.
   */
  believe (chain: readonly Uint8Array[]): void {
    const next = prove(chain, this.#parts)
    const [was, is] = [this.#peer.identity, next.identity]
    if (!sameSpiffeId(was.spiffeId, is.spiffeId) || was.attributes.uid !== is.attributes.uid || was.attributes.cluster !== is.attributes.cluster) {
      throw new HandshakeError('protocol-error', 'renewed certificate of another pod')
    }
    this.#peer = next
    this.renewed.emit(next)
  }

  /** Verifies the peer's chain again, with the trust of now; throws HandshakeError when it no longer holds. */
  reprove (): void {
    prove(this.#peer.chain, this.#parts)
  }

  /**
   * Ends the transport after everything was said; resolves when it is gone. Where both ends know that all has
   * arrived it is reset, which spares both the TIME_WAIT state; otherwise it is closed by FIN, so that the last
   * frame gets through.
   */
  async close (): Promise<void> {
    if (!this.channel.everythingArrived) { await closePolitely(this.#stream); return }
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy()
  }
}

/** Proves both ends of a connection that the local pod has opened. Ends `socket` when it throws. */
export async function secureOutbound (socket: Socket, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
  return await secure('client', socket, parts, signal)
}

/** Proves both ends of a connection that has arrived for the local pod. Ends `socket` when it throws. */
export async function secureInbound (socket: Socket, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
  return await secure('server', socket, parts, signal)
}

async function secure (role: Role, socket: Socket, parts: HandshakeParts, signal: AbortSignal): Promise<Session> {
  const svid = await ownSvid(socket, parts, signal)
  const stream = await (role === 'client' ? connectTls : acceptTls)(socket, svid, parts, signal)
  const channel = new FrameChannel(stream)
  signal.addEventListener('abort', () => { stream.destroy(signal.reason) }, { once: true })
  try {
    return new Session({ role, socket, stream, channel, peer: prove(peerChain(stream), parts), parts })
  } catch (error) {
    // The other side's operator deserves the reason; it says nothing that the peer does not know of its own certificate.
    channel.send(encodeVerdict({ accepted: false, decidedBy: 'identity', reason: messageOf(error) }))
    await closePolitely(stream)
    throw error
  }
}

/** Our pod's certificate. Right after a change of the pod's labels it may be a moment away, and is waited for. */
async function ownSvid (socket: Socket, { svids }: HandshakeParts, signal: AbortSignal): Promise<Svid> {
  try {
    return svids.current() ?? await svids.ready(signal)
  } catch (error) {
    socket.destroy()
    throw new HandshakeError('no-identity', 'no valid certificate in time', { cause: error })
  }
}

/** Verifies a chain as of now; throws HandshakeError 'peer-untrusted' with the identity code as detail. */
function prove (chain: readonly Uint8Array[], { trust, clock }: HandshakeParts): ProvenPeer {
  const proven = verifyChain(chain, trust.bundles(), clock.now())
  if (!proven.ok) throw new HandshakeError('peer-untrusted', proven.code, { cause: new Error(proven.message) })
  return { identity: proven.identity, notAfterMs: proven.notAfterMs, chain }
}

/** How long a polite end may take before the socket is cut, ms. */
const lingerMs = 1000

/** Sends what is queued and a FIN, drops what still comes, and destroys when the peer has closed or time is up. */
async function closePolitely (stream: TLSSocket): Promise<void> {
  if (stream.destroyed) return
  const cut = setTimeout(() => { stream.destroy() }, lingerMs)
  const closed = new Promise<void>(resolve => { stream.once('close', () => { clearTimeout(cut); resolve() }) })
  // Unread bytes at close would make the kernel send a reset, which can overtake our last frame.
  stream.removeAllListeners('data')
  stream.resume()
  stream.end()
  await closed
}
