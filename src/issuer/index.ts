/**
 * The certificate authority of a cluster: it signs what *it* reads from the API server, for agents that prove their node by
 * a token, and publishes whom to believe. Read `certificates.ts` first (the life of a request), then `timetable.ts` (of a key).
 */

export { Callers } from './callers.ts'
export { Certificates } from './certificates.ts'
export { RemoteIssuer } from './client.ts'
export { IssuerError } from './error.ts'
export { Federation } from './federation.ts'
export { fetchBundle } from './fetch-bundle.ts'
export { startHealth } from './health.ts'
export { Keeper } from './keeper.ts'
export { KeeperLoop } from './keeper-loop.ts'
export { apiDataStore, apiPodReader, apiTokenReviewer } from './kubernetes.ts'
export { certificatesPath, maxRequestBytes } from './messages.ts'
export { startServer } from './server.ts'
export { Shared } from './shared.ts'
export type { Caller } from './callers.ts'
export type { RemoteIssuerOptions } from './client.ts'
export type { IssuerErrorCode } from './error.ts'
export type { Relationship } from './federation.ts'
export type { KeeperOptions } from './keeper.ts'
export type { RefusalCode } from './refusal.ts'
export type { RunningServer } from './server.ts'
export type { DataStore, PodReader, Publisher, ReviewedToken, SecretStore, StoredData, TokenReviewer } from './sources.ts'
