/** What the test cluster could not do, with the words of the program that refused. */

export type ClusterErrorCode =
  | 'no-root'         // namespaces need root
  | 'no-go'           // there is no Go tool chain
  | 'no-package'      // a Debian package is missing and cannot be installed
  | 'build-failed'
  | 'not-running'
  | 'not-ready'       // it was started, but did not come to life in time
  | 'command-failed'
  | 'interrupted'

export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ClusterErrorCode

  constructor (code: ClusterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
