/** Wipes keys that nobody needs any more, in objects that stay OpenSSL's. */

import { Memory } from '../memory.ts'
import { openssl } from './library.ts'
import type { Key, Ssl } from './library.ts'

/** ssl.h: commands of SSL_ctrl. */
const SSL_CTRL_GET_PEER_TMP_KEY = 109
const SSL_CTRL_GET_TMP_KEY = 133
/** NID_X25519: any type will do, as long as it has no key. */
const emptyType = 1034
const slot = new Memory(8)

/** The keys of the key exchange, both ends'. */
export function forgetKeyExchange (pointer: Ssl): void {
  const ssl = openssl()
  for (const which of [SSL_CTRL_GET_PEER_TMP_KEY, SSL_CTRL_GET_TMP_KEY]) {
    if (ssl.SSL_ctrl(pointer, which, 0, slot.address) !== 1) continue
    const key = Number(new BigUint64Array(slot.bytes.buffer)[0]) as Key // that is what was asked for, with a reference of ours
    forget(key)
    ssl.EVP_PKEY_free(key)
  }
}

/** Wipes a key: to give a key object another type frees what is in it, and the object stays OpenSSL's. */
export function forget (key: Key): void {
  if (key !== 0) openssl().EVP_PKEY_set_type(key, emptyType)
}
