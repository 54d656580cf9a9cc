/** Whom a command asks: folders of manifests, or a running agent. */

import { proposeTo } from '../../tools/index.ts'
import { agentInventory, agentRecords } from './agent.ts'
import { inventoryOf, readObjects, warnOfInvalid } from './manifests.ts'
import { readRecords } from './records.ts'
import type { Command } from 'commander'
import type { Inventory, Observations, Proposal, ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

export interface SourceOptions {
  readonly manifests?: string
  readonly agent?: string
}

/** `--agent`, in every command that has it. */
export function addAgentOption (command: Command, instead: string): Command {
  return command.option('-a, --agent <url>', `admin server of a running agent, instead of ${instead}`)
}

/** For commands that are about one set of policies. */
export function addSourceOptions (command: Command): Command {
  return addAgentOption(command.option('-m, --manifests <folder>', 'folder (or file) of manifests'), 'a folder')
}

/** Ends with wrong usage unless just one of both is given. */
export async function inventoryFrom ({ manifests, agent }: SourceOptions, context: ToolContext, parts: ToolParts, command: Command): Promise<Inventory> {
  if (manifests !== undefined && agent === undefined) return inventoryOf(manifests, context, parts)
  if (manifests === undefined && agent !== undefined) return agentInventory(agent, context, parts)
  return command.error('error: one of --manifests and --agent is needed')
}

/** Today's policies, from a folder or an agent, and those of the folder `next`. With an agent, both for the same workloads. */
export async function proposalFrom (today: { readonly folder: string } | { readonly agent: string }, next: string, context: ToolContext, parts: ToolParts): Promise<Proposal> {
  if ('folder' in today) return { today: inventoryOf(today.folder, context, parts), proposed: inventoryOf(next, context, parts) }
  const objects = readObjects(next)
  const agent = await agentInventory(today.agent, context, parts)
  const proposal = proposeTo(agent, objects)
  warnOfInvalid(proposal.proposed, parts)
  return proposal
}

/** From a file where one is given, else the latest flows of the agent; ends with wrong usage without either. */
export async function recordsFrom ({ flows, agent }: { readonly flows?: string, readonly agent?: string }, context: ToolContext, parts: ToolParts, command: Command): Promise<Observations> {
  if (flows !== undefined) return readRecords(flows, context, parts)
  if (agent !== undefined) return agentRecords(agent, context, parts)
  return command.error('error: one of --flows and --agent is needed')
}
