/** Moves bytes between two ends, keeping half-close, reset and back-pressure. Knows no policy. */

export { Revocation, Revoker } from './ending.ts'
export { StreamTransport } from './streams/transport.ts'
export { NativeTransport, whyNotNative } from './native/transport.ts'
export type { Abort, Ending, Meter, Revocable, Side } from './ending.ts'
export type { Borrower, Lender, Limits, Loan, Repeat, RepeatEvents, Serves, Terms } from './lending.ts'
export type { NativeOptions } from './native/transport.ts'
export type { Connection, DialOptions, End, ListenHooks, Listening, Transport } from './transport.ts'
