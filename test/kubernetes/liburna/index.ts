/** liburna as it is installed, for the tests of this folder: our image, our manifests, pods, traffic, and what the agents tell. */

export { install, Overlay, system } from './install.ts'
export { openLiburna, soon } from './liburna.ts'
export { listOf, namespaceOf, networkPolicy, pod, podSpec, shell } from './manifests.ts'
export { caller, echoServer } from './traffic.ts'
export type { AgentPod, Liburna } from './liburna.ts'
export type { PodWish } from './manifests.ts'
export type { Change, Traffic } from './traffic.ts'
