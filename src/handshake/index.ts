/** Proves both ends of a connection between two agents, and carries what they say to each other. Knows no policy. */

export { HandshakeError } from './error.ts'
export { secureInbound, secureOutbound, Session } from './session.ts'
export type { HandshakeErrorCode } from './error.ts'
export type { HandshakeParts, ProvenPeer } from './session.ts'
export type { ResetReason, VerdictMessage } from './messages.ts'
export type { TlsOptions } from './tls.ts'
