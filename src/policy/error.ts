/** The only error that this folder throws on purpose. Manifests never cause it: what is wrong there comes back as data. */

export type PolicyErrorCode =
  | 'selector-invalid'   // a selector in text form cannot be read
  | 'endpoint-invalid'   // facts about an endpoint or a flow cannot be read

export class PolicyError extends Error {
  readonly code: PolicyErrorCode
  /** Where in the given value the fault is, e.g. `source.ports[0].port`; empty for the value itself. */
  readonly path: string

  constructor (message: string, { code, path = '', cause }: { code: PolicyErrorCode, path?: string, cause?: unknown }) {
    super(message, { cause })
    this.name = 'PolicyError'
    this.code = code
    this.path = path
  }
}
