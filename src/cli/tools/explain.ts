/** `liburna explain`: why one flow is allowed or denied. */

import { explainFlow, explanationText, parsePort, resolveEndpoint } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentHelp } from './agent.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addSourceOptions, inventoryFrom } from './source.ts'
import type { Command } from 'commander'
import type { Inventory } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'
import type { SourceOptions } from './source.ts'

interface ExplainOptions extends ContextOptions, SourceOptions {
  readonly output: 'table' | 'json'
}

/** Shared by all commands that take endpoints. */
export const endpointHelp = `
An endpoint is
  shop/web                    the workload of that name in the manifests
  Deployment:shop/web         the same, where several kinds have one of that name
  shop/app=web,tier=front     a workload with these labels in namespace shop, which need not exist
  203.0.113.7                 an address outside
  {"namespace": "shop", ...}  JSON, as evaluate takes it; {"fqdn": "api.example.com"} is a name outside`

const help = `${endpointHelp}
A port is 5432, 53/UDP, or the name of a port of the destination.

Examples:

  $ liburna explain --manifests ./manifests shop/web shop/db 5432
  $ liburna explain --agent http://127.0.0.1:9901 shop/web-0 203.0.113.7 443

${agentHelp}
Workloads of other nodes are given by their labels.

Exit codes: 0 explained, whatever the verdict; 1 the agent cannot be asked; 2 a manifest cannot be read, or an endpoint is not known.`

export function addExplain (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addSourceOptions(root.command('explain <source> <destination> <port>')
    .description('walk one flow through tiers and rules, with the reason at each'))
    .addOption(outputOption('table', 'json')))
    .addHelpText('after', help)
    .action(async (source: string, destination: string, port: string, options: ExplainOptions, command: Command) => {
      const inventory = await inventoryFrom(options, contextOf(options, parts), parts, command)
      await explain(source, destination, port, options.output, inventory, parts)
      end(exitCodes.ok)
    })
}

async function explain (from: string, to: string, port: string, output: ExplainOptions['output'], inventory: Inventory, parts: ToolParts): Promise<void> {
  const [source, destination] = [resolveEndpoint(from, inventory), resolveEndpoint(to, inventory)]
  const explained = explainFlow({ source, destination, ...parsePort(port, destination) }, inventory)
  await parts.write(output === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : explanationText(explained))
}
