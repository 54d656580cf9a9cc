/** Puts rules, routes and settings into a namespace, and takes them out again: do and undo side by side. */

import { portIsTaken } from '../sys/index.ts'
import { CaptureError } from './error.ts'
import { formatNote, mostHolders, parseStanding } from './holders.ts'
import { claim, describeRules, tableName } from './rules.ts'
import { addRoutes, hasRoutes, removeRoutes, showRoutes } from './routes.ts'
import { applySysctls, presentSettings, restoreSysctls } from './sysctls.ts'
import { runTool } from './tools.ts'
import type { IpFamily } from '../model/address.ts'
import type { Netns } from '../sys/index.ts'
import type { Exclusions } from './exclusions.ts'
import type { Holder, Standing } from './holders.ts'
import type { ToolResult } from './tools.ts'

/** `elsewhere`: nothing was changed, since an agent that started later holds the namespace and lives. */
export type Applied = 'here' | 'elsewhere'

export interface ApplySpec {
  readonly self: Holder
  readonly families: readonly IpFamily[]
  readonly exclude: Exclusions
  /** What stood there a moment ago; if something else does by now, that is found out. @default asked for */
  readonly standing?: Standing | undefined
}

/** How often it is thought over when others change the same table at the same time: two agents do, for a moment. */
const mostTries = 5

/** What stands in the namespace, and which agents of those that the table names live. */
export async function standingIn (netns: Netns): Promise<{ readonly standing: Standing, readonly living: readonly string[] }> {
  const standing = await readStanding(netns)
  return { standing, living: standing.holders.filter(holder => isAlive(netns, holder)).map(({ id }) => id) }
}

/**
 * Applies all, whatever is there already; resolves when every packet is judged or held. The rules change in one
 * transaction; before the first one the order is chosen so that no moment lets through what the next one would hold.
 */
export async function applyCapture (netns: Netns, { self, families, exclude, standing }: ApplySpec): Promise<Applied> {
  return await claimed(netns, self.id, standing, async found => {
    await Promise.all(families.map(family => applyRoutes(netns, family))) // no rule, no mark, so no effect yet
    const others = found.holders.filter(holder => holder.id !== self.id && isAlive(netns, holder))
    const settings = found.settings ?? presentSettings(netns)
    const holders = [self, ...others.slice(0, mostHolders - 1)] as const
    const result = await nft(netns, claim(found) + describeRules({ holders, exclude, note: formatNote(settings, holders) }))
    if (result.status === 0) applySysctls(netns)
    return result
  })
}

/**
 * Removes all that `applyCapture` made, in the name of the agent `id`. Does nothing where nothing is.
 *
 * The rules go last: an agent that arms the namespace meanwhile makes that fail, and then all else is put back for it. So it
 * is when something else fails: a guard that stays is whole.
 */
export async function removeCapture (netns: Netns, id?: string): Promise<Applied> {
  return await claimed(netns, id, undefined, async found => {
    let isDone = false
    try {
      restoreSysctls(netns, found.settings)
      await Promise.all(([4, 6] as const).map(family => removeFamily(netns, family)))
      const result = await nft(netns, claim(found))
      isDone = result.status === 0
      return result
    } finally {
      if (!isDone && (await readStanding(netns)).table) await putBack(netns)
    }
  })
}

/**
 * Does `change` to what stands in the namespace, unless a later agent than `id` holds it (nobody is later than no `id`);
 * again, when another agent was faster.
 */
async function claimed (netns: Netns, id: string | undefined, standing: Standing | undefined, change: (found: Standing) => Promise<ToolResult>): Promise<Applied> {
  let why = ''
  for (let i = 0; i < mostTries; i++) {
    const found = i === 0 && standing !== undefined ? standing : await readStanding(netns)
    if (id !== undefined && found.holders.some(holder => holder.id > id && isAlive(netns, holder))) return 'elsewhere'
    const { status, stderr } = await change(found)
    if (status === 0) return 'here'
    why = stderr.trim() // whether it was another agent or the rules themselves, the next try tells
  }
  throw new CaptureError('rules-failed', `nft refuses the rules: ${why}`)
}

async function readStanding (netns: Netns): Promise<Standing> {
  return parseStanding((await runTool(netns, 'nft', ['list', 'table', 'inet', tableName])).stdout)
}

/** An agent's listeners are there as long as its process. */
function isAlive (netns: Netns, { inbound, outbound }: Holder): boolean {
  return [...inbound, ...outbound].some(address => netns.run<boolean>(() => portIsTaken(address)))
}

function nft (netns: Netns, text: string): Promise<ToolResult> {
  return runTool(netns, 'nft', ['-f', '-'], text)
}

async function putBack (netns: Netns): Promise<void> {
  for (const family of [4, 6] as const) await batch(netns, family, addRoutes)
  applySysctls(netns)
}

async function applyRoutes (netns: Netns, family: IpFamily): Promise<void> {
  const shown = await batch(netns, family, [...addRoutes, ...showRoutes])
  if (!hasRoutes(shown.stdout)) throw new CaptureError('routes-failed', `policy routing is not there: ${shown.stderr.trim()}`)
}

async function removeFamily (netns: Netns, family: IpFamily): Promise<void> {
  const shown = await batch(netns, family, [...removeRoutes, ...showRoutes])
  if (shown.stdout.trim() !== '') throw new CaptureError('routes-failed', `policy routing is still there: ${shown.stdout.trim()}`)
}

/** Failures of single lines are not asked for here: "exists already" is one. What is shown tells what came of it. */
function batch (netns: Netns, family: IpFamily, lines: readonly string[]): Promise<ToolResult> {
  return runTool(netns, 'ip', [`-${family}`, '-force', '-batch', '-'], `${lines.join('\n')}\n`)
}
