/** The life of a connection: `inbound.ts` and `outbound.ts` tell it. */

export { serveInbound } from './inbound.ts'
export { serveOutbound } from './outbound.ts'
export { IdleSessions } from './idle.ts'
export { Places } from './places.ts'
export { Registry } from './registry.ts'
export type { ReuseOptions } from './idle.ts'
export type { LocalPod, NodeParts, Timeouts } from './pod.ts'
export type { Entry, RegistryOptions } from './registry.ts'
