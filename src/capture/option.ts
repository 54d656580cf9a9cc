/**
 * The TCP option that says "an agent is speaking", in SYN and SYN-ACK (RFC 6994, experiment id of 32 bits).
 *
 *     kind 254 | length 6 | 'L' 'B' 'R' 'N'
 *
 * It proves nothing: it only says that a handshake will follow. Stripped on the way, the peer is "external"; forged,
 * the handshake fails.
 */

import { ByteReader } from '../lib/bytes.ts'

/** The whole option as it stands on the wire. */
export const optionBytes: Uint8Array = Uint8Array.of(254, 6, 0x4c, 0x42, 0x52, 0x4e)

const endOfOptions = 0
const noOperation = 1
const tcp = 6
/** IPv6 extension headers that may stand before TCP (RFC 8200, 4.1) and have the common length field. */
const extensionHeaders: ReadonlySet<number> = new Set([0, 43, 60])

/**
 * Whether the saved headers of a SYN (network header on, as TCP_SAVED_SYN gives them) carry the option.
 * Anything malformed is "no".
 */
export function synSpeaks (headers: Uint8Array): boolean {
  try {
    return hasOption(tcpOptions(new ByteReader(headers)))
  } catch (error) {
    if (error instanceof RangeError) return false // cut short somewhere
    throw error
  }
}

/** The same search as bpf_load_hdr_opt: the first option of our kind and id decides, and must be exactly ours. */
function hasOption (reader: ByteReader): boolean {
  while (reader.left > 0) {
    const kind = reader.uint8()
    if (kind === endOfOptions) return false
    if (kind === noOperation) continue
    const length = reader.uint8()
    if (length < 2) return false
    const value = reader.take(length - 2)
    if (kind === optionBytes[0] && startsWithId(value)) return length === optionBytes.length
  }
  return false
}

function startsWithId (value: Uint8Array): boolean {
  return value.length >= 4 && value.subarray(0, 4).every((byte, i) => byte === optionBytes[i + 2])
}

/** A reader of exactly the option part of the TCP header. */
function tcpOptions (reader: ByteReader): ByteReader {
  if (skipNetworkHeader(reader) !== tcp) throw new RangeError('not TCP')
  const header = reader.take(20)
  const length = ((header[12] ?? 0) >> 4) * 4
  return new ByteReader(reader.take(Math.max(0, length - 20)))
}

/** Skips the IP header; returns the protocol that follows. */
function skipNetworkHeader (reader: ByteReader): number {
  const first = reader.uint8()
  if (first >> 4 === 4) {
    const rest = reader.take((first & 15) * 4 - 1)
    if (rest.length < 19) throw new RangeError('short IPv4 header')
    return rest[8] ?? 0
  }
  if (first >> 4 !== 6) throw new RangeError('neither IPv4 nor IPv6')
  let next = reader.take(39)[5] ?? 0
  while (extensionHeaders.has(next)) {
    next = reader.uint8()
    reader.take(reader.uint8() * 8 + 6)
  }
  return next
}
