/**
 * What the control frames say: greeting, verdict, end, reset. Codecs without sockets.
 *
 * Greeting, each end sends one:
 *
 *      0         1        2                 18        19             19+a           21+a
 *      +---------+--------+-----------------+---------+==============+--------------+
 *      | version | role   | flow id (16)    | family  | address      | port (16)    |
 *      +---------+--------+-----------------+---------+==============+--------------+
 *
 * `role` is 1 for the client end, 2 for the server end. The address is what the client dialled (client), or
 * where it arrived after all NAT (server). The flow id comes from the TLS exporter (RFC 8446, 7.5), so a
 * greeting that was recorded on another connection, or sent back to its author, does not fit. That of the n-th
 * connection that a session carries is made of the first one and n (`flowIdOf`), so both ends count alike or not at all.
 *
 * Verdict: code (8) | length (16) | deciding rule | length (16) | reason, both UTF-8. The code is 0 for denied, 1 for
 * accepted if encrypted, 2 for accepted and content with `authenticate`: each end says what it asks for, and the
 * stricter one has it.
 * End: seen (8): 1 when the sender has already received the end of the other direction.
 * Reset: code (8) | length (16) | reason.
 * Leave: nothing.
 * Certificate: count (8), then for each certificate of the chain, leaf first: length (16) | DER.
 * Going away: nothing.
 */

import { hash } from 'node:crypto'
import { ByteReader } from '../lib/bytes.ts'
import { ipv4Of, parseIp } from '../model/address.ts'
import { HandshakeError } from './error.ts'
import { FrameType, encodeFrame } from './frames.ts'
import type { IpAddress, SocketAddress } from '../model/address.ts'
import type { SecureMode } from '../model/mode.ts'

export const protocolVersion = 2
export const flowIdBytes = 16
/** Where the flow id is in the payload of a greeting. */
export const greetingFlowIdAt = 2

export type Role = 'client' | 'server'

export interface Greeting {
  readonly role: Role
  readonly flowId: Uint8Array
  readonly address: SocketAddress
}

/** What one end says of the connection. */
export type VerdictMessage = Acceptance | Denial

interface Acceptance extends Judgement {
  readonly accepted: true
  /** The least that the sender is content with. */
  readonly mode: SecureMode
}

interface Denial extends Judgement {
  readonly accepted: false
}

interface Judgement {
  /** Text of the deciding entry. */
  readonly decidedBy: string
  readonly reason: string
}

/** Why an agent aborts a connection that it had permitted. Closed: it is on the wire. */
export const resetReasons = [
  'reset-by-application', 'policy-changed', 'identity-expired', 'workload-gone', 'shutdown',
  'upstream-refused', 'upstream-unreachable', 'upstream-timeout', 'internal-error',
] as const
export type ResetReason = typeof resetReasons[number]

const roleCodes = { client: 1, server: 2 } as const
const deniedCode = 0
const acceptedCodes = { encrypt: 1, authenticate: 2 } as const satisfies Record<SecureMode, number>
/** Text longer than this is cut: a verdict must fit into one control frame. */
const maxTextBytes = 1024

/** The flow id of the `use`-th connection of a session, the first being 1, whose exporter gave `first`. */
export function flowIdOf (first: Uint8Array, use: number): Uint8Array {
  if (use === 1) return first
  const counted = Buffer.concat([first, Uint8Array.of(use >>> 24, (use >>> 16) & 255, (use >>> 8) & 255, use & 255)])
  return hash('sha256', counted, 'buffer').subarray(0, flowIdBytes)
}

export function encodeGreeting ({ role, flowId, address }: Greeting): Uint8Array {
  const { family, words } = address.ip
  const payload = new Uint8Array(2 + flowIdBytes + 1 + 4 * words.length + 2)
  const view = new DataView(payload.buffer)
  payload[0] = protocolVersion
  payload[1] = roleCodes[role]
  payload.set(flowId, greetingFlowIdAt)
  payload[2 + flowIdBytes] = family
  words.forEach((word, i) => { view.setUint32(3 + flowIdBytes + 4 * i, word) })
  view.setUint16(payload.length - 2, address.port)
  return encodeFrame(FrameType.greeting, payload)
}

/** Throws HandshakeError 'protocol-error' unless it is a greeting of role `expected` with flow id `flowId`. */
export function decodeGreeting (payload: Uint8Array, expected: Role, flowId: Uint8Array): Greeting {
  return decode(payload, 'greeting', reader => {
    const version = reader.uint8()
    if (version !== protocolVersion) throw new HandshakeError('protocol-error', `greeting of version ${version}`)
    if (reader.uint8() !== roleCodes[expected]) throw new HandshakeError('protocol-error', `greeting is not of the ${expected} end`)
    // Not secret: a comparison in constant time would protect nothing.
    if (Buffer.compare(reader.take(flowIdBytes), flowId) !== 0) throw new HandshakeError('protocol-error', 'greeting belongs to another connection')
    return { role: expected, flowId, address: { ip: readIp(reader), port: reader.uint16() } }
  })
}

export function encodeVerdict (verdict: VerdictMessage): Uint8Array {
  const code = verdict.accepted ? acceptedCodes[verdict.mode] : deniedCode
  return encodeFrame(FrameType.verdict, Buffer.concat([Uint8Array.of(code), text(verdict.decidedBy), text(verdict.reason)]))
}

export function decodeVerdict (payload: Uint8Array): VerdictMessage {
  return decode(payload, 'verdict', reader => {
    const code = reader.uint8()
    const judgement = { decidedBy: readText(reader), reason: readText(reader) }
    switch (code) {
      case deniedCode: return { accepted: false, ...judgement }
      case acceptedCodes.encrypt: return { accepted: true, mode: 'encrypt', ...judgement }
      case acceptedCodes.authenticate: return { accepted: true, mode: 'authenticate', ...judgement }
      default: throw new HandshakeError('protocol-error', `verdict ${code}`)
    }
  })
}

export function encodeEnd (seen: boolean): Uint8Array {
  return encodeFrame(FrameType.end, Uint8Array.of(seen ? 1 : 0))
}

export function decodeEnd (payload: Uint8Array): boolean {
  return decode(payload, 'end', reader => reader.uint8() === 1)
}

export function encodeLeave (): Uint8Array {
  return encodeFrame(FrameType.leave, new Uint8Array(0))
}

export function encodeReset (reason: ResetReason, detail: string): Uint8Array {
  return encodeFrame(FrameType.reset, Buffer.concat([Uint8Array.of(resetReasons.indexOf(reason)), text(detail)]))
}

/** An unknown code of a later version reads as 'internal-error': the connection is over either way. */
export function decodeReset (payload: Uint8Array): { readonly reason: ResetReason, readonly detail: string } {
  return decode(payload, 'reset', reader => ({ reason: resetReasons[reader.uint8()] ?? 'internal-error', detail: readText(reader) }))
}

export function encodeGoingAway (): Uint8Array {
  return encodeFrame(FrameType.goingAway, new Uint8Array(0))
}

/** Longest chain that is sent or believed. */
const maxChain = 4

export function encodeCertificate (chain: readonly Uint8Array[]): Uint8Array {
  if (chain.length > maxChain) throw new RangeError(`chain of ${chain.length} certificates`)
  const parts = chain.flatMap(der => [Uint8Array.of(der.length >>> 8, der.length & 255), der])
  return encodeFrame(FrameType.certificate, Buffer.concat([Uint8Array.of(chain.length), ...parts]))
}

export function decodeCertificate (payload: Uint8Array): Uint8Array[] {
  return decode(payload, 'certificate', reader => {
    const count = reader.uint8()
    if (count > maxChain) throw new RangeError(`chain of ${count} certificates`)
    return Array.from({ length: count }, () => reader.take(reader.uint16()))
  })
}

/** Runs `read` over the whole payload; too short and too long are both protocol errors. */
function decode<T> (payload: Uint8Array, what: string, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader(payload)
  try {
    const value = read(reader)
    if (reader.left > 0) throw new RangeError(`${reader.left} bytes too many`)
    return value
  } catch (error) {
    if (error instanceof HandshakeError) throw error
    throw new HandshakeError('protocol-error', `malformed ${what}`, { cause: error })
  }
}

function readIp (reader: ByteReader): IpAddress {
  const family = reader.uint8()
  if (family !== 4 && family !== 6) throw new RangeError(`address family ${family}`)
  if (family === 4) return ipv4Of(reader.uint32())
  const bytes = reader.take(16)
  const ip = parseIp(Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16)).join(':'))
  if (ip === undefined) throw new RangeError('not an address')
  return ip
}

function text (value: string): Uint8Array {
  // Cutting bytes may split a character; the reader replaces the broken one.
  const bytes = Buffer.from(value).subarray(0, maxTextBytes)
  return Buffer.concat([Uint8Array.of(bytes.length >>> 8, bytes.length & 255), bytes])
}

/** Text of a stranger goes into logs: control characters are replaced. */
function readText (reader: ByteReader): string {
  const length = reader.uint16()
  if (length > maxTextBytes) throw new RangeError(`text of ${length} bytes`)
  return Buffer.from(reader.take(length)).toString('utf8').replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '\ufffd')
}
