/** `liburna disarm`: takes the rules out of the namespaces of the configured workloads. Only for when no agent runs. */

import { messageOf } from '../lib/error.ts'
import type { Config } from '../config.ts'
import type { CommandReport } from './program.ts'

/** Removes the rules of one namespace (a name under /run/netns or a path); resolves also when there were none. */
export type DisarmNetns = (netns: string) => Promise<void>

/** Goes through all workloads and the guard of the node, also when one fails. */
export async function disarmAll (config: Config, disarmNetns: DisarmNetns, removeHostGuard: () => Promise<void>): Promise<CommandReport> {
  const lines: string[] = []
  let ok = true
  for (const { namespace, name, netns } of config.directory.workloads) {
    try {
      await disarmNetns(netns)
      lines.push(`${namespace}/${name}: no longer protected (${netns})`)
    } catch (error) {
      ok = false
      lines.push(`${namespace}/${name}: FAILED (${netns}): ${messageOf(error)}`)
    }
  }
  try {
    await removeHostGuard()
  } catch (error) {
    ok = false
    lines.push(`guard of the node: FAILED: ${messageOf(error)}`)
  }
  return { ok, text: `${lines.length === 0 ? 'no workloads in the file' : lines.join('\n')}\n` }
}
