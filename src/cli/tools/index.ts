/** The commands that answer questions about policy. Each is in a file of its own; what they compute is in `tools`. */

import { addDiff } from './diff.ts'
import { addEvaluate } from './evaluate.ts'
import { addExplain } from './explain.ts'
import { addReach } from './reach.ts'
import { addSimulate } from './simulate.ts'
import { addSuggest } from './suggest.ts'
import { addValidate } from './validate.ts'
import type { Command } from 'commander'
import type { ExitCode } from '../exit-code.ts'
import type { ToolParts } from './parts.ts'

export { realToolParts } from './parts.ts'
export type { ToolParts } from './parts.ts'

/** Adds all of them; each calls `end` with its exit code. */
export function addTools (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  for (const add of [addExplain, addEvaluate, addReach, addDiff, addSimulate, addSuggest, addValidate]) add(root, parts, end)
}
