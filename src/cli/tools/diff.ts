/** `liburna diff`: what opens and closes between two folders of manifests. */

import { Option } from 'commander'
import { diffMarkdown, diffOf, diffText } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { inventoryOf } from './manifests.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import type { Command } from 'commander'
import type { DiffAnswer } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface DiffOptions extends ContextOptions {
  readonly failOn: 'opened' | 'closed' | 'any' | 'none'
  readonly output: 'table' | 'json' | 'markdown'
}

const help = `
Pairs of workloads, and of workloads and the outside, with the ports that open or close, grouped: every source of a row to
every destination of it. Ports are those that containers declare; of a workload that declares none every port counts.
A workload that is only in one of the folders talks to nobody in the other, so what it may do counts as opened or closed.

Examples:

  $ liburna diff ./main ./branch
  $ liburna diff ./main ./branch --output markdown --fail-on opened > comment.md

Exit codes: 0 compared; 1 what --fail-on names has happened; 2 a manifest cannot be read.`

export function addDiff (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(root.command('diff <old> <new>')
    .description('the pairs of workloads and ports that open or close between two folders of manifests')
    .addOption(new Option('--fail-on <change>', 'which change makes the exit code 1').choices(['opened', 'closed', 'any', 'none']).default('none'))
    .addOption(outputOption('table', 'json', 'markdown')))
    .addHelpText('after', help)
    .action(async (before: string, after: string, options: DiffOptions) => {
      const context = contextOf(options, parts)
      const diff = diffOf(inventoryOf(before, context, parts), inventoryOf(after, context, parts))
      await parts.write(textOf(diff, options.output))
      end(hasFailed(diff, options.failOn) ? exitCodes.failed : exitCodes.ok)
    })
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
