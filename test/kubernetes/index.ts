/**
 * A real Kubernetes for tests: API server, etcd, controllers, scheduler, and two nodes with containerd (NRI), kubelet
 * and kube-proxy, as plain processes in namespaces of this machine. `README.md` says how it is made.
 */

export { openCluster } from './cluster.ts'
export { ClusterError } from './error.ts'
export { busyboxImage, pauseImage } from './busybox.ts'
export { agentImage, buildImage } from './image.ts'
export { waitFor } from './wait.ts'
export { nodeNames, podCidr } from './network.ts'
export type { Cluster, OpenOptions, PodOptions } from './cluster.ts'
export type { ClusterErrorCode } from './error.ts'
export type { ClusterNode } from './node.ts'
export type { ComponentName } from './components.ts'
export type { NodeName } from './network.ts'
export type { ImageOptions } from './image.ts'
export type { Finished, RunOptions } from './run.ts'
