/**
 * How a workload's packets come to us, and how we let go: rules in its namespace, sockets there, discovery.
 */

export { expectsAgent } from './declared.ts'
export { peerAnswers, peerSpeaks, startDiscovery } from './discovery.ts'
export type { DeclaredPeers } from './declared.ts'
export type { Discovery, NoDiscovery } from './discovery.ts'
