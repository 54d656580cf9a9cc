/** `liburna reach`: who can reach a workload, and what it can reach. */

import { reachOf, reachText, resolveEndpoint } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentHelp } from './agent.ts'
import { endpointHelp } from './explain.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addSourceOptions, inventoryFrom } from './source.ts'
import type { Command } from 'commander'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'
import type { SourceOptions } from './source.ts'

interface ReachOptions extends ContextOptions, SourceOptions {
  readonly everyPort: boolean
  readonly output: 'table' | 'json'
}

const help = `${endpointHelp}

Read from the manifests: pods, deployments, stateful sets, daemon sets, replica sets, jobs, cron jobs, namespaces, policies.
Ports are those that containers declare; of a workload that declares none, and outside, every port.
The world outside is shown in the parts that policies tell apart.

Examples:

  $ liburna reach --manifests ./manifests shop/db
  $ liburna reach --manifests ./manifests 'shop/app=search,tier=back'
  $ liburna reach --agent http://127.0.0.1:9901 shop/db-0

${agentHelp}
Of other nodes it says nothing: who is missing in the answer may still have access.

Exit codes: 0 answered; 1 the agent cannot be asked; 2 a manifest cannot be read, or the workload is not known.`

export function addReach (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addSourceOptions(root.command('reach <workload>')
    .description('who can reach this workload, what can it reach, on which ports')
    .option('--every-port', 'also ports that a workload does not declare', false))
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (workload: string, { everyPort, output, ...options }: ReachOptions, command: Command) => {
      const inventory = await inventoryFrom(options, contextOf(options, parts), parts, command)
      const answer = reachOf(resolveEndpoint(workload, inventory), inventory, { everyPort })
      const { parties: _, ...told } = answer
      await parts.write(output === 'json' ? `${JSON.stringify(told, null, 2)}\n` : reachText(answer))
      end(exitCodes.ok)
    })
}
