/** What the benchmark could not do. */

export type BenchErrorCode = 'option-invalid' | 'program-missing' | 'variant-failed' | 'trial-failed'

export class BenchError extends Error {
  override readonly name = 'BenchError'
  readonly code: BenchErrorCode

  constructor (message: string, { code, cause }: { code: BenchErrorCode, cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
