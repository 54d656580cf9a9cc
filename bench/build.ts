/** The package as it ships: compiled, so that nothing of the tool chain is measured (Node's type stripping alone takes 38 MB). */

import { fileURLToPath } from 'node:url'
import { run } from '../test/fixtures/lab/run.ts'
import { BenchError } from './error.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

/** The program that `buildPackage` makes. */
export const builtMain = `${project}dist/main.js`

/** Compiles `src` into `dist`. Throws BenchError 'program-missing'. */
export async function buildPackage (): Promise<void> {
  const { code, stdout, stderr } = await run(`${project}node_modules/.bin/tsc`, ['--project', `${project}src`], { withinMs: 120_000 })
  if (code !== 0) throw new BenchError(`the package cannot be built: ${stdout}${stderr}`, { code: 'program-missing' })
}
