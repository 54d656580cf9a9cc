/** Puts rules, routes and settings into a namespace, and takes them out again: do and undo side by side. */

import { CaptureError } from './error.ts'
import { describeRules, removeRules, tableName } from './rules.ts'
import { addRoutes, listings, removeRoutes } from './routes.ts'
import { applySysctls, noteOfSysctls, restoreSysctls } from './sysctls.ts'
import { runTool } from './tools.ts'
import type { IpFamily } from '../model/address.ts'
import type { Netns } from '../sys/index.ts'
import type { RuleSpec } from './rules.ts'

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
  for (const family of [4, 6] as const) await batch(netns, family, removeRoutes)
  for (const family of [4, 6] as const) await expectRoutes(netns, family, false)
}

/** The text of our table; empty when there is none. */
async function listTable (netns: Netns): Promise<string> {
  return (await runTool(netns, 'nft', ['list', 'table', 'inet', tableName])).stdout
}

async function applyRoutes (netns: Netns, family: IpFamily): Promise<void> {
  await batch(netns, family, addRoutes)
  await expectRoutes(netns, family, true)
}

/** Failures are not asked for here: "exists already" is one. `expectRoutes` looks at what came of it. */
async function batch (netns: Netns, family: IpFamily, lines: readonly string[]): Promise<void> {
  await runTool(netns, 'ip', [`-${family}`, '-force', '-batch', '-'], `${lines.join('\n')}\n`)
}

async function expectRoutes (netns: Netns, family: IpFamily, there: boolean): Promise<void> {
  for (const { args, shows } of listings(family)) {
    const { stdout, stderr } = await runTool(netns, 'ip', args)
    if (shows.test(stdout) !== there) {
      throw new CaptureError('routes-failed', `ip ${args.join(' ')} shows ${JSON.stringify(stdout.trim())} ${stderr.trim()}`)
    }
  }
}
