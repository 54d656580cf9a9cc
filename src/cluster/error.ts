/** What can go wrong between the files, or the API server, and what is known of the cluster. */

export type ClusterErrorCode =
  | 'file-unreadable'   // not there, not ours to read, not a plain file, too large
  | 'yaml-invalid'      // not YAML, or not one value where one is expected
  | 'manifest-invalid'  // YAML, but not a Kubernetes object, or one that policy refuses
  | 'api-unreachable'   // no answer of the API server, or one that broke off
  | 'api-refused'       // an answer with another status than success
  | 'api-expired'       // 410: the history that a watch or a list wants to go on from is gone
  | 'api-garbled'       // an answer that cannot be read
  | 'credentials'       // kubeconfig, token or certificate of the API server cannot be used
  | 'runtime-protocol'  // the container runtime broke the protocol of its plugins (NRI)
  | 'runtime-refused'   // the container runtime refused a call of ours

export interface ClusterErrorOptions {
  readonly code: ClusterErrorCode
  readonly cause?: unknown
  /** Status of HTTP, for `api-refused`. */
  readonly status?: number
  /** How long the API server asks us to wait, ms. */
  readonly retryAfterMs?: number
}

/** The message begins with `file:line:` wherever there is a line to name. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ClusterErrorCode
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor (message: string, { code, cause, status, retryAfterMs }: ClusterErrorOptions) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}
