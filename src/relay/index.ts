/** Moves bytes between two legs, keeping half-close, reset and back-pressure. Knows no policy. */

export { Revocation, join } from './join.ts'
export { SessionLeg } from './session-leg.ts'
export { SocketLeg } from './socket-leg.ts'
export type { Ending, Meter, RevokeSignal, Side } from './join.ts'
export type { Abort, Leg } from './leg.ts'
