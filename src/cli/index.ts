/** The commands of `liburna`. */

export { exitCodeOf, exitCodes } from './exit-code.ts'
export { main } from './main.ts'
export { runCli } from './program.ts'
export { settingsMarkdown } from './settings-text.ts'
export { realToolParts } from './tools/index.ts'
export type { ToolParts } from './tools/index.ts'
export type { ExitCode } from './exit-code.ts'
export type { CliParts, CommandReport } from './program.ts'
export type { RunningAgent, RunParts, SignalSource } from './run.ts'
