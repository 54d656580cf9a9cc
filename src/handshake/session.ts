/**
 * A proven connection between two agents: TLS 1.3 is up, the peer's certificate is verified, and what is left to
 * say (greeting, verdict) travels in frames.
 *
 *      client                                server
 *        |  <-- (first flight of TLS) greeting - |   real destination, after all NAT; before the client has proven anything
 *        |  -------------- greeting -----------> |   what was dialled
 *        |  -------------- verdict ------------> |   egress, on the server's attributes
 *        |  -------------- data … -------------> |   (only after an accepting verdict; waits for nothing)
 *        |  <------------- verdict ------------- |   ingress, on the client's attributes
 *        |  <------------- data … -------------- |
 *
 * It carries one connection after another. When both directions of one have ended, the next may begin; the server's
 * real destination is known by then, since one TCP connection passes one NAT, and so is everything that the client's
 * end judges by:
 *
 *        |  -------------- greeting, verdict --> |
 *        |  <------------- greeting, verdict --- |
 *        |  -------------- data … -------------> |   only now: until then the session may prove to be dead, and
 *        |  <------------- data … -------------- |   nothing of the application must be lost with it
 */

import {
  FrameType, decodeGreeting, decodeVerdict, encodeCertificate, encodeGoingAway, encodeGreeting, encodeReset, encodeVerdict, flowIdOf, HandshakeError,
} from '../frames/index.ts'
import { Emitter } from '../lib/emitter.ts'
import { messageOf } from '../lib/error.ts'
import { sameSocketAddress } from '../model/address.ts'
import { stricterOf } from '../model/mode.ts'
import { sameSpiffeId } from '../model/spiffe-id.ts'
import { verify } from './proof.ts'
import type { ResetReason, Role, VerdictMessage } from '../frames/index.ts'
import type { Svid, TrustBundles } from '../identity/index.ts'
import type { SocketAddress } from '../model/address.ts'
import type { SecureMode } from '../model/mode.ts'
import type { ControlChannel } from './control.ts'
import type { HandshakeParts, ProvenPeer } from './proof.ts'

/** A connection under TLS, before anybody has looked at what the peer has shown. */
export interface Secured<C extends ControlChannel> {
  readonly role: Role
  /** The pod's `mode` when the handshake began: whoever is content with `authenticate` must read no record too far. */
  readonly asks: SecureMode
  /** What we have shown. */
  readonly svid: Svid
  /** From the TLS exporter, so both ends have the same. */
  readonly flowId: Uint8Array
  /** The certificates that the peer has shown, leaf first, DER; empty when it showed none. */
  readonly chain: readonly Uint8Array[]
  /** It has shown them in an earlier handshake, on which this one rests. */
  readonly resumed: boolean
  readonly channel: C
  /** Ends the connection after everything was said; resolves when it is gone. */
  hangUp (): Promise<void>
  /** Ends it at once, without a word; who waits for a frame hears `reason`. */
  cut (reason?: Error): void
}

/** What is the same in all greetings of a session; whole frames, each with the flow id of the first connection. */
export interface SessionPattern {
  readonly flowId: Uint8Array
  /** How many connections it has carried. */
  readonly uses: number
  readonly ours: Uint8Array
  readonly theirs: Uint8Array
}

/** Made by `prove` only, so that nobody has a session with a peer that was not proven. */
export class Session<C extends ControlChannel = ControlChannel> implements Disposable {
  readonly channel: C
  /** The peer has shown a newer certificate: `peer` has changed. */
  readonly renewed = new Emitter<ProvenPeer>()
  /** Both verdicts are known, and so is `mode`. */
  readonly agreed = new Emitter<SecureMode>()
  readonly #secured: Omit<Secured<C>, 'chain' | 'flowId'>
  /** Of the first connection, as hex digits: there are thousands of these. */
  readonly #firstFlowId: string
  readonly #parts: HandshakeParts
  /** The trust that the peer was proven by. */
  readonly #trust: TrustBundles
  readonly #sinceMs: number
  #peer: ProvenPeer
  /** Of our certificates, the last one that the peer has seen. */
  #shown: Svid
  #ours: SecureMode | undefined
  #theirs: SecureMode | undefined
  #isEnding = false
  #uses = 1
  /** Of the present connection; made when somebody asks. */
  #flowId: string | undefined
  #isResting = false
  #isLast = false
  #reached: SocketAddress | undefined

  private constructor (secured: Secured<C>, parts: HandshakeParts) {
    this.#trust = parts.trust.bundles()
    this.#peer = verify(secured.chain, this.#trust, parts)
    const { role, asks, svid, resumed, channel, hangUp, cut } = secured
    this.#secured = { role, asks, svid, resumed, channel, hangUp, cut }
    this.#firstFlowId = Buffer.from(secured.flowId).toString('hex')
    this.#shown = svid
    this.#parts = parts
    this.#sinceMs = parts.clock.monotonic()
    this.channel = channel
  }

  /**
   * Verifies what the peer has shown. Throws HandshakeError 'peer-untrusted' with the identity code as detail; then
   * the peer was told why, and the connection is gone.
   */
  static async prove<C extends ControlChannel> (secured: Secured<C>, parts: HandshakeParts): Promise<Session<C>> {
    try {
      return new Session(secured, parts)
    } catch (error) {
      // The other side's operator deserves the reason; it says nothing that the peer does not know of its own certificate.
      secured.channel.send(encodeVerdict({ accepted: false, decidedBy: 'identity', reason: messageOf(error) }))
      await secured.hangUp()
      throw error
    }
  }

  get peer (): ProvenPeer { return this.#peer }

  /** Names the connection that it carries now in the records of both ends; 32 hex digits. */
  get flowId (): string { return this.#flowId ??= this.#uses === 1 ? this.#firstFlowId : Buffer.from(flowIdOf(this.#firstId, this.#uses)).toString('hex') }

  /** Whether its handshake rests on an earlier one. */
  get isResumed (): boolean { return this.#secured.resumed }
  /** Whether it stands between two connections. */
  get isResting (): boolean { return this.#isResting }
  /** How many connections it has carried, with the present one. */
  get uses (): number { return this.#uses }
  /** How long it is up, ms. */
  get ageMs (): number { return this.#parts.clock.monotonic() - this.#sinceMs }
  /** When the first of the two certificates ends. */
  get notAfterMs (): number { return Math.min(this.#peer.notAfterMs, this.#secured.svid.notAfterMs) }
  /** What the first greeting of the other end has told; the other address that `greeted` gives never changes. */
  get reached (): SocketAddress | undefined { return this.#reached }

  /**
   * Whether another connection may follow: the last one has ended cleanly, and both ends are still who they have
   * proven to be, by the certificates that are current, under the trust of now. A renewed certificate is shown in a
   * frame to connections that live; new ones are to rest on a handshake that has proven its key, so it ends the reuse.
   * And this end must ask for `encrypt`, then and now: who would leave TLS has nothing to carry another connection.
   */
  get mayCarryAnother (): boolean {
    const { svids, trust, clock, mode } = this.#parts
    const isFree = this.#isResting && !this.#isLast && !this.#isEnding
    return isFree && this.asks === 'encrypt' && mode === 'encrypt' && svids.current() === this.#secured.svid && trust.bundles() === this.#trust && clock.now() <= this.notAfterMs
  }

  /** Both directions of the connection have ended and everything was passed on; told by the transport that forwards. */
  rest (): void { this.#isResting = true }

  /** Begins the next connection. */
  next (): void {
    if (!this.#isResting) throw new Error('the session still carries a connection')
    this.#isResting = false
    this.#uses++
    this.#ours = this.#theirs = undefined
    this.#flowId = undefined
    this.channel.begin()
  }

  /** The other end carries no further connection. */
  peerLeaves (): void { this.#isLast = true }

  /** Tells the other end that no further connection is carried, and ends the session; resolves when it is gone. */
  async goAway (): Promise<void> {
    if (this.#isEnding) return
    this.channel.send(encodeGoingAway())
    await this.close()
  }

  /** Cuts the session, with the signal's reason, when it aborts. */
  obey (signal: AbortSignal): void {
    signal.addEventListener('abort', () => { this.#secured.cut(signal.reason as Error) }, { once: true }) // our deadlines have errors as reasons
  }

  greet (address: SocketAddress): void {
    this.channel.send(encodeGreeting({ role: this.#secured.role, flowId: this.#id, address }))
  }

  /**
   * What the other end's greeting tells: the real destination (from a server), what was dialled (from a client). It is
   * the same for all connections of a session: one that says otherwise would have been judged by the wrong port.
   */
  async greeted (): Promise<SocketAddress> {
    const payload = await this.channel.next(FrameType.greeting)
    const { address } = decodeGreeting(payload, this.#otherRole, this.#id)
    this.#reached ??= address
    if (!sameSocketAddress(address, this.#reached)) throw new HandshakeError('protocol-error', 'another destination in the same session')
    return address
  }

  /** What the greetings are made of, for who sends and expects them in our place; `ours` is the address that we tell. Only after the first. */
  pattern (ours: SocketAddress): SessionPattern {
    if (this.#reached === undefined) throw new Error('the other end has not greeted yet')
    const [{ role }, flowId] = [this.#secured, this.#firstId]
    return {
      flowId, uses: this.#uses,
      ours: encodeGreeting({ role, flowId, address: ours }),
      theirs: encodeGreeting({ role: this.#otherRole, flowId, address: this.#reached }),
    }
  }

  /** The least that a verdict of ours may be content with. */
  get asks (): SecureMode { return this.#secured.asks }

  /** Whether the other end has accepted the present connection. */
  get isAccepted (): boolean { return this.#theirs !== undefined }

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

  /** Whether the peer was shown this certificate. */
  shows (svid: Svid): boolean { return this.#shown === svid }

  /** Shows the peer our new certificate. */
  renew (svid: Svid): void {
    this.#shown = svid
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
    const next = verify(chain, this.#parts.trust.bundles(), this.#parts)
    const [was, is] = [this.#peer.identity, next.identity]
    if (!sameSpiffeId(was.spiffeId, is.spiffeId) || was.attributes.uid !== is.attributes.uid || was.attributes.cluster !== is.attributes.cluster) {
      throw new HandshakeError('protocol-error', 'renewed certificate of another pod')
    }
    this.#peer = next
    this.#isLast = true
    this.renewed.emit(next)
  }

  /** Verifies the peer's chain again, with the trust of now; throws HandshakeError when it no longer holds. */
  reprove (): void {
    verify(this.#peer.chain, this.#parts.trust.bundles(), this.#parts)
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

  /** Cuts what nobody has ended: does nothing after `close`, `abort`, when it is or was forwarded, or rests. */
  [Symbol.dispose] (): void {
    if (this.#isEnding || this.#isResting) return
    this.#isEnding = true
    this.#secured.cut()
  }

  get #id (): Uint8Array { return Buffer.from(this.flowId, 'hex') }
  get #firstId (): Uint8Array { return Buffer.from(this.#firstFlowId, 'hex') }

  get #otherRole (): Role { return this.#secured.role === 'client' ? 'server' : 'client' }

  #agree (): void {
    if (this.#ours !== undefined && this.#theirs !== undefined) this.agreed.emit(this.mode)
  }
}
