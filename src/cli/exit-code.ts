/** The exit codes of every command, and which error leads to which. */

import { codeOf } from '../lib/error.ts'

export const exitCodes = {
  /** Done; for `run`: asked to stop and stopped. */
  ok: 0,
  /** It could not be done, or the agent failed. */
  failed: 1,
  /** The command line, node.yaml or a policy file is wrong; nothing was started. */
  wrongInput: 2,
} as const

export type ExitCode = typeof exitCodes[keyof typeof exitCodes]

/** Codes of errors that say that a file has to be corrected. */
const wrongInputCodes = new Set(['config-unreadable', 'config-invalid', 'file-unreadable', 'yaml-invalid', 'manifest-invalid', 'input-invalid', 'workload-unknown'])

export function exitCodeOf (error: unknown): ExitCode {
  const code = codeOf(error)
  return code !== undefined && (wrongInputCodes.has(code) || code.startsWith('commander.')) ? exitCodes.wrongInput : exitCodes.failed
}
