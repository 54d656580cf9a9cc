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

import { FrameType, decodeGreeting, decodeVerdict, encodeCertificate, encodeGreeting, encodeReset, encodeVerdict, HandshakeError } from '../frames/index.ts'
import { verifyChain } from '../identity/index.ts'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import { stricterOf } from '../model/mode.ts'
import { sameSpiffeId } from '../model/spiffe-id.ts'
import type { ResetReason, Role, VerdictMessage } from '../frames/index.ts'
import type { Svid, SvidSource, TrustSource } from '../identity/index.ts'
import type { Clock } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Identity } from '../model/workload.ts'
import type { ControlChannel } from './control.ts'
import type { TlsOptions } from './tls.ts'

/** What a handshake needs. `svids` can vouch for one pod only: the one whose connection it is. */
export interface HandshakeParts extends TlsOptions {
  /** The least that the pod is content with, as of now. */
  readonly mode: SecureMode
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

/** A connection under TLS, before anybody has looked at what the peer has shown. */
export interface Secured<C extends ControlChannel> {
  readonly role: Role
  /** The pod's `mode` when the handshake began: whoever is content with `authenticate` must read no record too far. */
  readonly asks: SecureMode
  /** From the TLS exporter, so both ends have the same. */
  readonly flowId: Uint8Array
  /** The certificates that the peer has shown, leaf first, DER; empty when it showed none. */
  readonly chain: readonly Uint8Array[]
  readonly channel: C
  /** Ends the connection after everything was said; resolves when it is gone. */
  hangUp (): Promise<void>
  /** Ends it at once, without a word. */
  cut (): void
}

/** Made by `prove` only, so that nobody has a session with a peer that was not proven. */
export class Session<C extends ControlChannel = ControlChannel> implements Disposable {
  readonly channel: C
  /** The peer has shown a newer certificate: `peer` has changed. */
  readonly renewed = new Emitter<ProvenPeer>()
  /** Both verdicts are known, and so is `mode`. */
  readonly agreed = new Emitter<SecureMode>()
  readonly #secured: Secured<C>
  readonly #parts: HandshakeParts
  #peer: ProvenPeer
  #ours: SecureMode | undefined
  #theirs: SecureMode | undefined
  #isEnding = false

  private constructor (secured: Secured<C>, peer: ProvenPeer, parts: HandshakeParts) {
    this.#secured = secured
    this.#parts = parts
    this.#peer = peer
    this.channel = secured.channel
  }

  /**
   * Verifies what the peer has shown. Throws HandshakeError 'peer-untrusted' with the identity code as detail; then
   * the peer was told why, and the connection is gone.
   */
  static async prove<C extends ControlChannel> (secured: Secured<C>, parts: HandshakeParts): Promise<Session<C>> {
    try {
      return new Session(secured, verify(secured.chain, parts), parts)
    } catch (error) {
      // The other side's operator deserves the reason; it says nothing that the peer does not know of its own certificate.
      secured.channel.send(encodeVerdict({ accepted: false, decidedBy: 'identity', reason: messageOf(error) }))
      await secured.hangUp()
      throw error
    }
  }

  get peer (): ProvenPeer { return this.#peer }

  /** Names the flow in the records of both ends; 32 hex digits. */
  get flowId (): string { return Buffer.from(this.#secured.flowId).toString('hex') }

  greet (address: SocketAddress): void {
    this.channel.send(encodeGreeting({ role: this.#secured.role, flowId: this.#secured.flowId, address }))
  }

  /** What the other end's greeting tells: the real destination (from a server), what was dialled (from a client). */
  async greeted (): Promise<SocketAddress> {
    const payload = await this.channel.next(FrameType.greeting)
    const { role, flowId } = this.#secured
    return decodeGreeting(payload, role === 'client' ? 'server' : 'client', flowId).address
  }

  /** The least that a verdict of ours may be content with. */
  get asks (): SecureMode { return this.#secured.asks }

  /** How the bytes travel; as long as the other end has not said its verdict, the least that it may come to. */
  get mode (): SecureMode {
    return this.#ours === undefined ? 'encrypt' : stricterOf(this.#ours, this.#theirs ?? 'authenticate')
  }

  /** Sends our verdict. Throws where it is content with less than `asks`. */
  tell (verdict: VerdictMessage): void {
    if (verdict.accepted) {
      if (stricterOf(verdict.mode, this.asks) !== verdict.mode) throw new RangeError(`a verdict content with ${verdict.mode} on a connection for ${this.asks}`)
      this.#ours = verdict.mode
    }
    this.channel.send(encodeVerdict(verdict))
    this.#agree()
  }

  /** The other end's verdict. */
  async told (): Promise<VerdictMessage> {
    return this.hear(decodeVerdict(await this.channel.next(FrameType.verdict)))
  }

  /** Takes note of the other end's verdict, where it comes while bytes are forwarded. */
  hear (verdict: VerdictMessage): VerdictMessage {
    if (verdict.accepted) this.#theirs ??= verdict.mode
    this.#agree()
    return verdict
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
    const next = verify(chain, this.#parts)
    const [was, is] = [this.#peer.identity, next.identity]
    if (!sameSpiffeId(was.spiffeId, is.spiffeId) || was.attributes.uid !== is.attributes.uid || was.attributes.cluster !== is.attributes.cluster) {
      throw new HandshakeError('protocol-error', 'renewed certificate of another pod')
    }
    this.#peer = next
    this.renewed.emit(next)
  }

  /** Verifies the peer's chain again, with the trust of now; throws HandshakeError when it no longer holds. */
  reprove (): void {
    verify(this.#peer.chain, this.#parts)
  }

  /** Tells the peer that the connection is aborted, and why, and ends it; resolves when it is gone. */
  async abort (reason: ResetReason, detail: string): Promise<void> {
    this.channel.send(encodeReset(reason, detail))
    await this.close()
  }

  /** Ends the connection after everything was said; resolves when it is gone. */
  async close (): Promise<void> {
    this.#isEnding = true
    await this.#secured.hangUp()
  }

  /** Cuts what nobody has ended: does nothing after `close`, `abort`, or when it is or was forwarded. */
  [Symbol.dispose] (): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#secured.cut()
  }

  #agree (): void {
    if (this.#ours !== undefined && this.#theirs !== undefined) this.agreed.emit(this.mode)
  }
}

/** Verifies a chain as of now; throws HandshakeError 'peer-untrusted' with the identity code as detail. */
function verify (chain: readonly Uint8Array[], { trust, clock }: HandshakeParts): ProvenPeer {
  const proven = verifyChain(chain, trust.bundles(), clock.now())
  if (!proven.ok) throw new HandshakeError('peer-untrusted', proven.code, { cause: new Error(proven.message) })
  return { identity: proven.identity, notAfterMs: proven.notAfterMs, chain }
}

/**
 * Our pod's certificate. Right after a change of the pod's labels it may be a moment away, and is waited for. Rejects
 * with HandshakeError 'no-identity'.
 */
export async function ownSvid ({ svids }: HandshakeParts, signal: AbortSignal): Promise<Svid> {
  try {
    return svids.current() ?? await svids.ready(signal)
  } catch (error) {
    throw new HandshakeError('no-identity', 'no valid certificate in time', { cause: error })
  }
}
