/** `liburna validate`: what is wrong with a folder of manifests. */

import { readManifestTree } from '../../cluster/index.ts'
import { validateFacts, validateManifests, validationText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentFacts, agentHelp } from './agent.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addAgentOption } from './source.ts'
import type { Command } from 'commander'
import type { ToolContext, Validation } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface ValidateOptions extends ContextOptions {
  readonly agent?: string
  readonly strict: boolean
  readonly output: 'table' | 'json'
}

const help = `
Errors are what Kubernetes and the agent refuse. Warnings are what is valid and probably not meant: labels that certificates
do not carry, policies that select none of the workloads described, peers that match none, ports that none has, times that
are over. Workloads and namespaces beside the policies make more warnings possible.

With --agent it is about the policies that the agent enforces now. What other nodes run is not known then, so nothing is said
of policies that select or match nobody; files that the agent cannot read are told by its /readyz.
${agentHelp}

Examples:

  $ liburna validate ./manifests
  manifests/web.yaml:3: error: NetworkPolicy shop/web spec.ingress[0].ports[0].port: 1 to 65535 is expected, not 70000
  1 policy, 0 workloads: 1 error, 0 warnings
  $ liburna validate --agent http://127.0.0.1:9901

Exit codes: 0 no error; 1 warnings, with --strict, or the agent cannot be asked; 2 errors.`

export function addValidate (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addAgentOption(root.command('validate [folder]')
    .description('say what is wrong with the policies of a folder (or file) of manifests, for a CI pipeline, or of a running agent'), 'a folder')
    .option('--strict', 'warnings make the exit code 1', false)
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (folder: string | undefined, options: ValidateOptions, command: Command) => {
      end(await validate(await validationFrom(folder, options, parts, command), options, parts))
    })
}

async function validationFrom (folder: string | undefined, options: ValidateOptions, parts: ToolParts, command: Command): Promise<Validation> {
  const context = contextOf(options, parts)
  if (folder !== undefined && options.agent === undefined) return validationOf(folder, context)
  if (folder === undefined && options.agent !== undefined) return validateFacts(await agentFacts(options.agent, parts), context)
  return command.error('error: one of a folder and --agent is needed')
}

function validationOf (folder: string, context: ToolContext): Validation {
  const { manifests, problems } = readManifestTree(folder)
  return validateManifests(manifests, problems, context)
}

async function validate (validation: Validation, options: ValidateOptions, parts: ToolParts): Promise<ExitCode> {
  await parts.write(options.output === 'json' ? `${JSON.stringify(validation, null, 2)}\n` : validationText(validation))
  if (validation.lines.some(({ level }) => level === 'error')) return exitCodes.wrongInput
  return options.strict && validation.lines.length > 0 ? exitCodes.failed : exitCodes.ok
}
