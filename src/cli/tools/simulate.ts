/** `liburna simulate`: recorded flows against today's and proposed policies. */

import { Option } from 'commander'
import { simulate, simulationText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { inventoryOf } from './manifests.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { readRecords } from './records.ts'
import type { Command } from 'commander'
import type { Simulation } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface SimulateOptions extends ContextOptions {
  readonly flows: string
  readonly today: string
  readonly proposed: string
  readonly failOn: 'opened' | 'closed' | 'any' | 'none'
  readonly output: 'table' | 'json'
}

const help = `
Flows are the records that agents write (the setting records.path; /flows of the admin server has the latest). What they do not hold
(labels of namespaces, named ports) is taken from the manifests of the same folder, so keep namespaces and workloads there.

Examples:

  $ liburna simulate --flows flows.jsonl --today ./main --proposed ./branch
  $ liburna simulate --flows - --today ./main --proposed ./branch --fail-on closed < flows.jsonl

Exit codes: 0 simulated; 1 what --fail-on names would happen; 2 a record or a manifest cannot be read.`

export function addSimulate (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(root.command('simulate')
    .description('recorded flows against today\'s and proposed policies: what would change, which rules no flow used')
    .requiredOption('-f, --flows <file>', 'flow records, JSON lines; - is standard input')
    .requiredOption('--today <folder>', 'manifests as they are in force')
    .requiredOption('--proposed <folder>', 'manifests as they would be')
    .addOption(new Option('--fail-on <change>', 'which change makes the exit code 1').choices(['opened', 'closed', 'any', 'none']).default('none'))
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (options: SimulateOptions) => {
      const context = contextOf(options, parts)
      const [today, proposed] = [inventoryOf(options.today, context, parts), inventoryOf(options.proposed, context, parts)]
      const simulation = simulate((await readRecords(options.flows, context, parts)).all(), today, proposed)
      await parts.write(options.output === 'json' ? `${JSON.stringify(simulation, null, 2)}\n` : simulationText(simulation))
      end(hasFailed(simulation, options.failOn) ? exitCodes.failed : exitCodes.ok)
    })
}

function hasFailed ({ changes }: Simulation, failOn: SimulateOptions['failOn']): boolean {
  return failOn !== 'none' && changes.some(({ change }) => failOn === 'any' || change === failOn)
}
