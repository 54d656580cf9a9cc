/** `liburna reach`: who can reach a workload, and what it can reach. */

import { reachOf, reachText, resolveEndpoint } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { endpointHelp } from './explain.ts'
import { inventoryOf } from './manifests.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import type { Command } from 'commander'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface ReachOptions extends ContextOptions {
  readonly manifests: string
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

Exit codes: 0 answered; 2 a manifest cannot be read, or the workload is not known.`

export function addReach (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(root.command('reach <workload>')
    .description('from manifests alone: who can reach this workload, what can it reach, on which ports')
    .requiredOption('-m, --manifests <folder>', 'folder (or file) of manifests')
    .option('--every-port', 'also ports that a workload does not declare', false)
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (workload: string, { manifests, everyPort, output, ...options }: ReachOptions) => {
      const inventory = inventoryOf(manifests, contextOf(options, parts), parts)
      const answer = reachOf(resolveEndpoint(workload, inventory), inventory, { everyPort })
      const { parties: _, ...told } = answer
      await parts.write(output === 'json' ? `${JSON.stringify(told, null, 2)}\n` : reachText(answer))
      end(exitCodes.ok)
    })
}
