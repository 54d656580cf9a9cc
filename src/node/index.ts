/** The workloads of this node, each from arming to leaving, under the policies of now. */

export { Enforcer } from './enforcer.ts'
export { KubernetesNode } from './kubernetes.ts'
export { openOwnNode } from './own-node.ts'
export { PodGate } from './pod-gate.ts'
export { declaredPeering, optionPeering } from './peering.ts'
export { Policies } from './policies.ts'
export type { EnforcedPod, EnforcedPodOptions } from './enforced-pod.ts'
export type { EnforcerParts } from './enforcer.ts'
export type { OwnNodeProof } from './own-node.ts'
export type { PodGateParts, Unarmed } from './pod-gate.ts'
export type { Peering } from './peering.ts'
