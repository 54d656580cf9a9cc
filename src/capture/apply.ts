/** Puts rules, routes and settings into a namespace, and takes them out again: do and undo side by side. */

import { CaptureError } from './error.ts'
import { describeRules, removeRules, tableName } from './rules.ts'
import { addRoutes, hasRoutes, removeRoutes, showRoutes } from './routes.ts'
import { applySysctls, noteOfSysctls, restoreSysctls } from './sysctls.ts'
import { runTool } from './tools.ts'
import type { IpFamily } from '../model/address.ts'
import type { Netns } from '../sys/index.ts'
import type { RuleSpec } from './rules.ts'
import type { ToolResult } from './tools.ts'

/**
 * Applies all, whatever is there already; resolves when every packet is judged or held. The rules change in one
 * transaction; before the first one the order is chosen so that no moment lets through what the next one would hold.
 */
export async function applyCapture (netns: Netns, families: readonly IpFamily[], spec: Omit<RuleSpec, 'note'>): Promise<void> {
  const note = noteOfSysctls(netns, await listTable(netns))
  for (const family of families) await applyRoutes(netns, family) // no rule, no mark, so no effect yet
  const { status, stderr } = await runTool(netns, 'nft', ['-f', '-'], describeRules({ ...spec, note }))
  if (status !== 0) throw new CaptureError('rules-failed', `nft refuses the rules: ${stderr.trim()}`)
  applySysctls(netns)
}

/** Removes all that `applyCapture` made. Does nothing where nothing is. */
export async function removeCapture (netns: Netns): Promise<void> {
  const listing = await listTable(netns)
  const { status, stderr } = await runTool(netns, 'nft', ['-f', '-'], removeRules)
  if (status !== 0) throw new CaptureError('rules-failed', `nft does not remove the rules: ${stderr.trim()}`)
  restoreSysctls(netns, listing)
  for (const family of [4, 6] as const) await removeFamily(netns, family)
}

/** The text of our table; empty when there is none. */
async function listTable (netns: Netns): Promise<string> {
  return (await runTool(netns, 'nft', ['list', 'table', 'inet', tableName])).stdout
}

async function applyRoutes (netns: Netns, family: IpFamily): Promise<void> {
  const shown = await batch(netns, family, [...addRoutes, ...showRoutes])
  if (!hasRoutes(shown.stdout)) throw new CaptureError('routes-failed', `policy routing is not there: ${shown.stderr.trim()}`)
}

async function removeFamily (netns: Netns, family: IpFamily): Promise<void> {
  await batch(netns, family, removeRoutes)
  const shown = await batch(netns, family, showRoutes)
  if (shown.stdout.trim() !== '') throw new CaptureError('routes-failed', `policy routing is still there: ${shown.stdout.trim()}`)
}

/** Failures of single lines are not asked for here: "exists already" is one. What is shown tells what came of it. */
function batch (netns: Netns, family: IpFamily, lines: readonly string[]): Promise<ToolResult> {
  return runTool(netns, 'ip', [`-${family}`, '-force', '-batch', '-'], `${lines.join('\n')}\n`)
}
