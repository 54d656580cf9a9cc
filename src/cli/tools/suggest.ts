/** `liburna suggest`: from recorded flows to policies. */

import { formatYaml } from '../../cluster/index.ts'
import { commentedPolicies, suggest, suggestionNotes, suggestionTable, takeInventory } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentHelp } from './agent.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addAgentOption, inventoryFrom, recordsFrom } from './source.ts'
import type { Command } from 'commander'
import type { Inventory, Suggestion } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'
import type { SourceOptions } from './source.ts'

interface SuggestOptions extends ContextOptions, SourceOptions {
  readonly flows?: string
  readonly includeDenied: boolean
  readonly egress: boolean
  readonly allowDns: boolean
  readonly output: 'yaml' | 'table' | 'json'
}

const help = `
Pods that only their names tell apart are one role; every role that took part gets a policy that isolates it, with a rule for
each set of peers. Policies are NetworkPolicies, and AccessPolicies for what those cannot say: peers of other clusters, and
pods whom only the service account tells apart. At each rule stands what was seen. At the end, on standard error, what else
the policies allow among the parties that are known, and what has to be known before they are applied.

Give the manifests of the cluster too, so that no selector hits a workload that did not take part.

With --agent its latest flows are taken where there is no --flows, and the workloads of its node where there are no --manifests.
${agentHelp}

Examples:

  $ liburna suggest --flows flows.jsonl --manifests ./manifests > policies.yaml
  $ liburna suggest --flows flows.jsonl --output table
  $ liburna suggest --agent http://127.0.0.1:9901 > policies.yaml

Exit codes: 0 suggested; 1 the policies would not allow all of the flows, or the agent cannot be asked; 2 a record or a manifest cannot be read.`

export function addSuggest (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addAgentOption(root.command('suggest')
    .description('recorded flows to the smallest set of policies that allows them'), 'what is not given of --flows and --manifests')
    .option('-f, --flows <file>', 'flow records, JSON lines; - is standard input')
    .option('-m, --manifests <folder>', 'manifests of the cluster: namespaces and workloads')
    .option('--include-denied', 'allow also what was denied or never decided', false)
    .option('--no-egress', 'leave egress as it is')
    .option('--allow-dns', 'a rule for kube-dns wherever egress is isolated', false)
    .addOption(outputOption('yaml', 'table', 'json')))
    .addHelpText('after', help)
    .action(async (options: SuggestOptions, command: Command) => {
      const known = await knownFrom(options, parts, command)
      const { context } = known
      const suggestion = suggest((await recordsFrom(options, context, parts, command)).all(), known, {
        includeDenied: options.includeDenied, allowDns: options.allowDns, directions: options.egress ? ['ingress', 'egress'] : ['ingress'],
        ...(context.homeOnly ? { home: context.home } : {}),
      })
      await write(suggestion, options.output, parts)
      end(suggestion.notAllowed.length > 0 ? exitCodes.failed : exitCodes.ok)
    })
}

/** The folder where there is one: it knows more than one node. */
async function knownFrom ({ manifests, agent, ...options }: SuggestOptions, parts: ToolParts, command: Command): Promise<Inventory> {
  const context = contextOf(options, parts)
  if (manifests === undefined && agent === undefined) return takeInventory([], context)
  return inventoryFrom(manifests === undefined ? { ...agent !== undefined && { agent } } : { manifests }, context, parts, command)
}

async function write (suggestion: Suggestion, output: SuggestOptions['output'], parts: ToolParts): Promise<void> {
  if (output === 'json') await parts.write(`${JSON.stringify(suggestion, null, 2)}\n`)
  else if (output === 'table') await parts.write(suggestionTable(suggestion))
  else {
    await parts.write(formatYaml(commentedPolicies(suggestion)))
    parts.warn(suggestionNotes(suggestion))
  }
}
