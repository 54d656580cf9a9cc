/** `liburna validate`: what is wrong with a folder of manifests. */

import { readManifestTree } from '../../cluster/index.ts'
import { validateManifests, validationText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import type { Command } from 'commander'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface ValidateOptions extends ContextOptions {
  readonly strict: boolean
  readonly output: 'table' | 'json'
}

const help = `
Errors are what Kubernetes and the agent refuse. Warnings are what is valid and probably not meant: labels that certificates
do not carry, policies that select none of the workloads described, peers that match none, ports that none has, times that
are over. Workloads and namespaces beside the policies make more warnings possible.

Example:

  $ liburna validate ./manifests
  manifests/web.yaml:3: error: NetworkPolicy shop/web spec.ingress[0].ports[0].port: 1 to 65535 is expected, not 70000
  1 policy, 0 workloads: 1 error, 0 warnings

Exit codes: 0 no error; 1 warnings, with --strict; 2 errors.`

export function addValidate (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(root.command('validate <folder>')
    .description('say what is wrong with the policies of a folder (or file) of manifests, for a CI pipeline')
    .option('--strict', 'warnings make the exit code 1', false)
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (folder: string, options: ValidateOptions) => { end(await validate(folder, options, parts)) })
}

async function validate (folder: string, options: ValidateOptions, parts: ToolParts): Promise<ExitCode> {
  const { manifests, problems } = readManifestTree(folder)
  const validation = validateManifests(manifests, problems, contextOf(options, parts))
  await parts.write(options.output === 'json' ? `${JSON.stringify(validation, null, 2)}\n` : validationText(validation))
  if (validation.lines.some(({ level }) => level === 'error')) return exitCodes.wrongInput
  return options.strict && validation.lines.length > 0 ? exitCodes.failed : exitCodes.ok
}
