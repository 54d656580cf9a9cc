/** The network namespaces of this node's pods, as somebody on the node knows them: the container runtime, or /proc. */

/** One pod sandbox. A pod gets a new one when its old one dies. */
export interface Sandbox {
  /** The runtime's, unique for ever. */
  readonly id: string
  /** Of the pod; of a static pod it is the hash of its file. */
  readonly uid: string
  readonly namespace: string
  readonly name: string
  /** Absolute path of the network namespace; empty for a pod in the node's own network. */
  readonly netns: string
}
