/** `liburna diff`: what opens and closes between two folders of manifests. */

import { Option } from 'commander'
import { diffMarkdown, diffOf, diffText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { agentHelp } from './agent.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import { addAgentOption, proposalFrom } from './source.ts'
import type { Command } from 'commander'
import type { DiffAnswer, Proposal } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface DiffOptions extends ContextOptions {
  readonly agent?: string
  readonly failOn: 'opened' | 'closed' | 'any' | 'none'
  readonly output: 'table' | 'json' | 'markdown'
}

const help = `
Pairs of workloads, and of workloads and the outside, with the ports that open or close, grouped: every source of a row to
every destination of it. Ports are those that containers declare; of a workload that declares none every port counts.
A workload that is only in one of the folders talks to nobody in the other, so what it may do counts as opened or closed.

With --agent the old ones are the policies that it enforces now, and both sides have the same workloads: the pods of its node,
and what the folder describes besides.
${agentHelp}

Examples:

  $ liburna diff ./main ./branch
  $ liburna diff ./main ./branch --output markdown --fail-on opened > comment.md
  $ liburna diff --agent http://127.0.0.1:9901 ./branch

Exit codes: 0 compared; 1 what --fail-on names has happened, or the agent cannot be asked; 2 a manifest cannot be read.`

export function addDiff (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(addAgentOption(root.command('diff')
    .usage('[options] <old> <new>\n       liburna diff [options] --agent <url> <new>')
    .argument('<folders...>', 'folders (or files) of manifests')
    .description('the pairs of workloads and ports that open or close between two folders of manifests, or an agent and a folder'), '<old>')
    .addOption(new Option('--fail-on <change>', 'which change makes the exit code 1').choices(['opened', 'closed', 'any', 'none']).default('none'))
    .addOption(outputOption('table', 'json', 'markdown')))
    .addHelpText('after', help)
    .action(async (folders: readonly string[], options: DiffOptions, command: Command) => {
      const { today, proposed } = await sidesOf(folders, options, parts, command)
      const diff = diffOf(today, proposed)
      await parts.write(textOf(diff, options.output))
      end(hasFailed(diff, options.failOn) ? exitCodes.failed : exitCodes.ok)
    })
}

async function sidesOf (folders: readonly string[], options: DiffOptions, parts: ToolParts, command: Command): Promise<Proposal> {
  const [first = '', second = ''] = folders
  const context = contextOf(options, parts)
  if (options.agent === undefined && folders.length === 2) return proposalFrom({ folder: first }, second, context, parts)
  if (options.agent !== undefined && folders.length === 1) return proposalFrom({ agent: options.agent }, first, context, parts)
  return command.error('error: two folders are needed, or --agent and one folder')
}

function textOf (diff: DiffAnswer, output: DiffOptions['output']): string {
  if (output === 'table') return diffText(diff)
  if (output === 'markdown') return diffMarkdown(diff)
  const { pairs, groups, added, removed } = diff
  return `${JSON.stringify({ pairs, groups, added, removed }, null, 2)}\n`
}

function hasFailed ({ pairs: { opened, closed } }: DiffAnswer, failOn: DiffOptions['failOn']): boolean {
  return (opened > 0 && (failOn === 'opened' || failOn === 'any')) || (closed > 0 && (failOn === 'closed' || failOn === 'any'))
}
