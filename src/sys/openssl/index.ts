/** TLS by the OpenSSL inside Node, on raw descriptors. Pointers never leave this folder. */

export { OpenSslError } from './error.ts'
export { TlsConnection, tlsResult } from './connection.ts'
export { TlsContext, readBufferBytes } from './context.ts'
export { WriteBuffers } from './write-buffer.ts'
export { whyNoOpenssl } from './library.ts'
export { identityBytes, secretBytes } from './preshared.ts'
export type { PresharedKey, PresharedKeys } from './preshared.ts'
export type { TlsContextOptions } from './context.ts'
