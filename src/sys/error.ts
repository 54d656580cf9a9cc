/** The one error of this folder: a system call that failed, with its errno by name. */

import { constants } from 'node:os'

/** An errno by name, `ENOTSUPP` (524, kernel only, bpf(2) uses it) and `unknown-errno` for what Node has no name for. */
export type SysErrorCode = keyof typeof constants.errno | 'ENOTSUPP' | 'unknown-errno'

const names = new Map<number, SysErrorCode>([
  [524, 'ENOTSUPP'],
  // Object.entries forgets the key type that `typeof constants.errno` proves.
  ...Object.entries(constants.errno).map(([name, number]) => [number, name as SysErrorCode] as const),
])

/**
 * A failed system call. `code` is the errno's name (`EPERM`), `syscall` which call it was, as in Node's own errors.
 * `detail` holds what else the kernel said (a verifier log), perhaps many lines; empty mostly.
 */
export class SysError extends Error {
  readonly code: SysErrorCode
  readonly errno: number
  readonly syscall: string
  readonly detail: string

  constructor (syscall: string, errno: number, what = '', detail = '') {
    const code = names.get(errno) ?? 'unknown-errno'
    super(`${syscall}: ${code}${what === '' ? '' : ` (${what})`}`)
    this.name = 'SysError'
    this.code = code
    this.errno = errno
    this.syscall = syscall
    this.detail = detail
  }
}
