/**
 * The kernel: descriptors, network namespaces, sockets with marks, BPF, and what of it is there.
 *
 * The only folder that calls through FFI. Nothing here knows pods, policy or identity.
 */

import * as bpf from './bpf/index.ts'

export { bpf }
export { AgentCgroup, findCgroup } from './cgroup.ts'
export { Fd, liveFds, traceFds } from './fd.ts'
export { feature, featureNames } from './features.ts'
export { Netns } from './netns.ts'
export { SysError } from './error.ts'
export { bindListener, listenOn, localAddressOf, openDialer, openListener } from './socket.ts'
export { SocketTable } from './socket-table.ts'
export { markOf, resetOnClose, savedSyn } from './sockopt.ts'
export type { CgroupPlace } from './cgroup.ts'
export type { Instruction } from './bpf/index.ts'
export type { DialerOptions, ListenerOptions } from './socket.ts'
export type { Feature, FeatureName } from './features.ts'
export type { Immediate } from './netns.ts'
export type { SysErrorCode } from './error.ts'
