/** The programs that the benchmark needs; `sh test/setup.sh bench`, the first half of `npm run bench`, installs them. */

import { existsSync } from 'node:fs'
import { BenchError } from './error.ts'

/** Throws BenchError 'program-missing' when one of `commands` is not there. */
export function needPrograms (commands: readonly string[]): void {
  const missing = [...new Set(commands)].filter(command => !isThere(command))
  if (missing.length > 0) throw new BenchError(`missing programs: ${missing.join(', ')}; as root on Debian \`npm run bench\` installs them`, { code: 'program-missing' })
}

function isThere (command: string): boolean {
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].some(folder => existsSync(`${folder}/${command}`))
}
