/** What OpenSSL says went wrong. */

import { openssl } from './library.ts'

export class OpenSslError extends Error {
  override readonly name = 'OpenSslError'
  /** The reason as Node names it too: `ERR_SSL_…`, or `openssl` when there was none. */
  readonly code: string

  constructor (what: string, code: string, text: string) {
    super(`${what}: ${text}`)
    this.code = code
  }
}

/** Takes the oldest error of this thread's queue and empties the queue. */
export function takeError (what: string): OpenSslError {
  const library = openssl()
  const code = library.ERR_get_error()
  if (code === 0) return new OpenSslError(what, 'openssl', 'no reason given')
  const text = new Uint8Array(256)
  library.ERR_error_string_n(code, text, text.length)
  library.ERR_clear_error()
  const line = Buffer.from(text.subarray(0, text.indexOf(0))).toString('latin1')
  // error:0A000126:SSL routines::unexpected eof while reading
  const reason = line.split(':').at(-1) ?? ''
  return new OpenSslError(what, `ERR_SSL_${reason.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`, line)
}
