/** What can go wrong between the files and the directory. */

export type ClusterErrorCode =
  | 'file-unreadable'   // not there, not ours to read, not a plain file, too large
  | 'yaml-invalid'      // not YAML, or not one value where one is expected
  | 'manifest-invalid'  // YAML, but not a Kubernetes object, or one that policy refuses

/** The message begins with `file:line:` wherever there is a line to name. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ClusterErrorCode

  constructor (message: string, { code, cause }: { code: ClusterErrorCode, cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
