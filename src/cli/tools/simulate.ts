/** `liburna simulate`: recorded flows against today's and proposed policies. */

import { Option } from 'commander'
import { simulate, simulationText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentHelp } from './agent.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addAgentOption, proposalFrom, recordsFrom } from './source.ts'
import type { Command } from 'commander'
import type { Simulation } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface SimulateOptions extends ContextOptions {
  readonly agent?: string
  readonly flows?: string
  readonly today?: string
  readonly proposed: string
  readonly failOn: 'opened' | 'closed' | 'any' | 'none'
  readonly output: 'table' | 'json'
}

const help = `
Flows are the records that agents write (the setting records.path; /flows of the admin server has the latest). What they do not hold
(labels of namespaces, named ports) is taken from the manifests of the same folder, so keep namespaces and workloads there.

With --agent, today's policies are those that it enforces, with the workloads of its node on both sides; without --flows its
latest flows are taken.
${agentHelp}

Examples:

  $ liburna simulate --flows flows.jsonl --today ./main --proposed ./branch
  $ liburna simulate --flows - --today ./main --proposed ./branch --fail-on closed < flows.jsonl
  $ liburna simulate --agent http://127.0.0.1:9901 --proposed ./branch

Exit codes: 0 simulated; 1 what --fail-on names would happen, or the agent cannot be asked; 2 a record or a manifest cannot be read.`

export function addSimulate (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addAgentOption(root.command('simulate')
    .description('recorded flows against today\'s and proposed policies: what would change, which rules no flow used'), '--today, and of --flows')
    .option('-f, --flows <file>', 'flow records, JSON lines; - is standard input')
    .option('--today <folder>', 'manifests as they are in force')
    .requiredOption('--proposed <folder>', 'manifests as they would be')
    .addOption(new Option('--fail-on <change>', 'which change makes the exit code 1').choices(['opened', 'closed', 'any', 'none']).default('none'))
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (options: SimulateOptions, command: Command) => {
      const { today, proposed } = await proposalFrom(todayOf(options, command), options.proposed, contextOf(options, parts), parts)
      const observations = await recordsFrom(options, today.context, parts, command)
      const simulation = simulate(observations.all(), today, proposed)
      await parts.write(options.output === 'json' ? `${JSON.stringify(simulation, null, 2)}\n` : simulationText(simulation))
      end(hasFailed(simulation, options.failOn) ? exitCodes.failed : exitCodes.ok)
    })
}

function todayOf ({ today, agent, flows }: SimulateOptions, command: Command): { readonly folder: string } | { readonly agent: string } {
  if (agent !== undefined && today === undefined) return { agent }
  if (agent === undefined && today !== undefined && flows !== undefined) return { folder: today }
  return command.error('error: --flows and --today are needed, or --agent instead of --today')
}

function hasFailed ({ changes }: Simulation, failOn: SimulateOptions['failOn']): boolean {
  return failOn !== 'none' && changes.some(({ change }) => failOn === 'any' || change === failOn)
}
