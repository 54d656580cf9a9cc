/**
 * How a workload's packets come to us, and how we let go: rules in its namespace, sockets there, discovery.
 */

export { backlog, Capture, disarmNetns } from './capture.ts'
export { CaptureError } from './error.ts'
export { expectsAgent } from './declared.ts'
export { noExclusions } from './exclusions.ts'
export { applyHostGuard, releaseAddresses, removeHostGuard } from './host-guard.ts'
export { peerAnswers, peerSpeaks, startDiscovery } from './discovery.ts'
export { PodCapture } from './pod-capture.ts'
export type { Applied } from './apply.ts'
export type { CaptureErrorCode } from './error.ts'
export type { CaptureSpec } from './capture.ts'
export type { DeclaredPeers } from './declared.ts'
export type { Connect, InnerDial, Listeners, Neighbour } from './pod-capture.ts'
export type { Released } from './host-guard.ts'
export type { Discovery, NoDiscovery } from './discovery.ts'
export type { InnerPorts } from './ports-in-use.ts'
export type { Exclusions, PortRange } from './exclusions.ts'
