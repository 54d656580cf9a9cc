/** Errors as data: what was thrown, made safe to read. */

/** The `code` of the error or of the nearest cause that has one. */
export function codeOf (error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 16; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}

/** One line with the messages of the error and its causes. */
export function messageOf (error: unknown): string {
  const parts: string[] = []
  for (let at = error, depth = 0; at !== undefined && depth < 16; at = at instanceof Error ? at.cause : undefined, depth++) {
    parts.push(at instanceof Error ? at.message : String(at))
  }
  return parts.join(': ')
}
