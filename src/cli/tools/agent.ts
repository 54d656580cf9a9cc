/** Facts from the admin server of a running agent. */

import { inventoryOfFacts } from '../../tools/index.ts'
import { AgentError } from './fetch-json.ts'
import { warnOfInvalid } from './manifests.ts'
import type { Inventory, ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

/** Throws AgentError when there is no such server, ToolError when it does not say what an agent says. */
export async function agentInventory (url: string, context: ToolContext, parts: ToolParts): Promise<Inventory> {
  const inventory = inventoryOfFacts(await parts.fetchJson(factsUrl(url)), context)
  warnOfInvalid(inventory, parts)
  return inventory
}

function factsUrl (url: string): string {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') throw new AgentError(`${url}: a URL such as http://127.0.0.1:9901 is expected`)
  return new URL('/facts', base).href
}
