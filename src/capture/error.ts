/** The error of this folder. */

export type CaptureErrorCode =
  | 'bad-exclusion'  // a port or block that cannot be excluded
  | 'rules-failed'   // nft refused the rules
  | 'routes-failed'  // ip refused the policy routing
  | 'tool-missing'   // nft or ip is not installed
  | 'already-armed'  // this agent holds the namespace under another workload
  | 'no-free-port'   // every port tried for a dial was in use
  | 'disarmed'       // the capture was let go before

/** Capture of one workload failed; others are not touched. Failed dials have Node's own errors (`ECONNREFUSED`). */
export class CaptureError extends Error {
  readonly code: CaptureErrorCode

  constructor (code: CaptureErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CaptureError'
    this.code = code
  }
}
