/** What keeps the admin server from starting. */

export class AdminError extends Error {
  override readonly name = 'AdminError'
  readonly code = 'cannot-listen'

  constructor (message: string, { cause }: { cause: unknown }) {
    super(message, { cause })
  }
}
