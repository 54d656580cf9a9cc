/** What two agents say to each other inside TLS, as bytes. Codecs without sockets, light enough for a relay thread. */

export { FrameAllowance } from './allowance.ts'
export { FrameParser, FrameType, decodeHeader, encodeFrame, encodeHeader, headerBytes, maxDataBytes, putHeader } from './frames.ts'
export { GreetingPattern } from './greeting-pattern.ts'
export { alpnName, flowExporterLabel, resumptionExporterLabels } from './names.ts'
export { HandshakeError } from './error.ts'
export {
  decodeCertificate, decodeEnd, decodeGreeting, decodeReset, decodeVerdict,
  encodeCertificate, encodeEnd, encodeGoingAway, encodeGreeting, encodeLeave, encodeReset, encodeVerdict, flowIdBytes, flowIdOf, resetReasons,
} from './messages.ts'
export type { ControlType, Frame } from './frames.ts'
export type { Greeting, ResetReason, Role, VerdictMessage } from './messages.ts'
export type { HandshakeErrorCode } from './error.ts'
