/** Proves both ends of a connection between two agents, and carries what they say to each other. Knows no policy. */

export { FrameChannel } from './channel.ts'
export { FrameType, HandshakeError } from '../frames/index.ts'
export { ownSvid } from './proof.ts'
export { Session } from './session.ts'
export { expectFrame } from './control.ts'
export { secureInbound, secureOutbound } from './streams.ts'
export type { ControlChannel } from './control.ts'
export type { HandshakeErrorCode, ResetReason, VerdictMessage } from '../frames/index.ts'
export type { HandshakeParts, ProvenPeer } from './proof.ts'
export type { Secured, SessionPattern } from './session.ts'
export type { TlsOptions } from './tls.ts'
