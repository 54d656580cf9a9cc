/** What the tools refuse. Each message says what is wrong with what was given, and where. */

export type ToolErrorCode =
  | 'input-invalid'        // a document, a record or an endpoint that cannot be understood
  | 'workload-unknown'     // no workload of that name among the manifests, or several

export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly code: ToolErrorCode

  constructor (message: string, { code, cause }: { code: ToolErrorCode, cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export function inputInvalid (message: string, cause?: unknown): ToolError {
  return new ToolError(message, { code: 'input-invalid', cause })
}
