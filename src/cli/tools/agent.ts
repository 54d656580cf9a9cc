/** What a running agent tells by its admin server: its facts, and the records of its latest flows. */

import { inventoryOfFacts, isStarting } from '../../tools/index.ts'
import { AgentError } from './fetch-json.ts'
import { warnOfInvalid } from './manifests.ts'
import { gatherRecords } from './records.ts'
import type { Inventory, Observations, ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

/** For the help of every command that can ask an agent. */
export const agentHelp = `An agent knows the workloads of its own node, and tells neither the setting sameness nor more than its latest flows. Its cluster
and its unsigned labels take the place of --cluster, --trust-domain and --unsigned-label; give --sameness as it is set there.`

/** Throws AgentError when there is no such server or it knows nothing yet, ToolError when it does not say what an agent says. */
export async function agentInventory (url: string, context: ToolContext, parts: ToolParts): Promise<Inventory> {
  const inventory = inventoryOfFacts(await agentFacts(url, parts), context)
  warnOfInvalid(inventory, parts)
  return inventory
}

/** As the agent tells them, not looked at yet. Throws AgentError. */
export async function agentFacts (url: string, parts: ToolParts): Promise<unknown> {
  const from = pageOf(url, 'facts')
  const facts = await parts.fetchJson(from)
  if (isStarting(facts)) throw new AgentError(`${from}: the agent is starting and knows nothing yet`)
  return facts
}

/** Throws AgentError, and ToolError `input-invalid` for what are no records, or when there is none. */
export async function agentRecords (url: string, context: ToolContext, parts: ToolParts): Promise<Observations> {
  const from = pageOf(url, 'flows')
  const value = await parts.fetchJson(from)
  return gatherRecords([{ value, place: from }], from, context)
}

/** A path before the page stays, as a reverse proxy or `kubectl proxy` needs it. */
function pageOf (url: string, page: string): string {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') throw new AgentError(`${url}: a URL such as http://127.0.0.1:9901 is expected`)
  return new URL(`${base.pathname.replace(/\/*$/, '')}/${page}`, base.origin).href
}
