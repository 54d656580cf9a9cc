/**
 * `struct sockaddr_in` and `sockaddr_in6` (netinet/in.h), little-endian hosts.
 *
 *     in:   family u16 | port u16be | address 4 | zero 8
 *     in6:  family u16 | port u16be | flow u32 | address 16 | scope u32
 */

import { ipv4Of, socketAddress } from '../model/address.ts'
import type { IpFamily, SocketAddress } from '../model/address.ts'

export const AF_INET = 2
export const AF_INET6 = 10

/** Of the longer one. */
export const sockaddrBytes = 28

export function familyNumber (family: IpFamily): number {
  return family === 4 ? AF_INET : AF_INET6
}

/** The structure for bind(2). */
export function encodeSockaddr ({ ip, port }: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(ip.family === 4 ? 16 : 28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, familyNumber(ip.family), true)
  view.setUint16(2, port)
  const at = ip.family === 4 ? 4 : 8
  ip.words.forEach((word, i) => { view.setUint32(at + 4 * i, word) })
  return bytes
}

/** The inverse; `undefined` for other families. An IPv4-mapped address comes out as IPv4. */
export function decodeSockaddr (bytes: Uint8Array): SocketAddress | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 16) return undefined
  const family = view.getUint16(0, true)
  if (family === AF_INET) return socketAddress(ipv4Of(view.getUint32(4)), view.getUint16(2))
  if (family !== AF_INET6 || bytes.length < 28) return undefined
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map(i => view.getUint16(8 + i).toString(16))
  return socketAddress(groups.join(':'), view.getUint16(2))
}
