/**
 * The kernel: descriptors, network namespaces, sockets with marks, BPF, and what of it is there.
 *
 * The only folder that calls through FFI. Nothing here knows pods, policy or identity.
 */

import * as bpf from './bpf/index.ts'

export { bpf }
export { Bell, Epoll, events } from './epoll.ts'
export { Memory, withMemory } from './memory.ts'
export { Pipe } from './pipe.ts'
export { TlsConnection, TlsContext, WriteBuffers, identityBytes, readBufferBytes, secretBytes, tlsResult, whyNoOpenssl } from './openssl/index.ts'
export { accept, connect, errnos, errorOf, nameOfErrno, read, shutdownWrite, splice, write } from './io.ts'
export { census, traceLive } from './census.ts'
export { AF_INET, decodeSockaddr, encodeSockaddr, sockaddrBytes } from './sockaddr.ts'
export { AgentCgroup, findCgroup } from './cgroup.ts'
export { Fd, liveFds, traceFds } from './fd.ts'
export { feature, featureNames } from './features.ts'
export { Netns } from './netns.ts'
export { SysError } from './error.ts'
export { bindListener, listenOn, localAddressOf, openDialer, openListener, portIsTaken, sockaddrOf } from './socket.ts'
export { collectGarbage, programMappings, releaseBurstMemory, releaseStartupMemory } from './resident.ts'
export { SocketTable } from './socket-table.ts'
export { descriptorOf, resetSocket } from './node-socket.ts'
export { resetEverythingOnClose } from './cut.ts'
export { inOneGo, markOf, queuedOn, resetOnClose, savedSyn, setMark } from './sockopt.ts'
export type { CgroupPlace } from './cgroup.ts'
export type { Instruction } from './bpf/index.ts'
export type { DialerOptions, ListenerOptions } from './socket.ts'
export type { Feature, FeatureName } from './features.ts'
export type { Immediate } from './netns.ts'
export type { Mapping } from './resident.ts'
export type { Census } from './census.ts'
export type { Address } from './memory.ts'
export type { PresharedKey, PresharedKeys, TlsContextOptions } from './openssl/index.ts'
export type { SysErrorCode } from './error.ts'
