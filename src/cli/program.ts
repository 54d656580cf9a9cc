/** The commands and their options. What a command does is in a file of its own or comes in `CliParts`. */

import { Command, CommanderError } from 'commander'
import { loadConfig, settingLines } from '../config.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import { exitCodeOf, exitCodes } from './exit-code.ts'
import { addIssuer } from './issuer.ts'
import { run } from './run.ts'
import { settingsHelp, settingsMarkdown } from './settings-text.ts'
import { addTools, realToolParts } from './tools/index.ts'
import type { Config, GivenSettings } from '../config.ts'
import type { ExitCode } from './exit-code.ts'
import type { IssuerCommandParts } from './issuer.ts'
import type { RunParts } from './run.ts'
import type { ToolParts } from './tools/index.ts'

/** What the commands do to the outside. */
export interface CliParts extends RunParts, IssuerCommandParts {
  readonly version: string
  /** Takes the rules out of the workloads' namespaces; a line for each, and whether all went well. */
  readonly disarm: (config: Config) => Promise<CommandReport>
  /** What this machine's kernel can do. */
  readonly doctor: () => Promise<CommandReport>
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
  /** @default the real ones */
  readonly tools?: ToolParts
}

export interface CommandReport {
  readonly ok: boolean
  readonly text: string
}

const exitCodeHelp = `
Exit codes: 0 done; 1 it could not be done, or the agent failed; 2 the command line, node.yaml or a policy file is wrong.`

/** Runs one command line (without `node` and the script) to its end. Never throws. */
export async function runCli (argv: readonly string[], parts: CliParts): Promise<ExitCode> {
  const result: { code: ExitCode } = { code: exitCodes.ok }
  try {
    await program(parts, result).parseAsync(argv, { from: 'user' })
    return result.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.wrongInput
    // Nobody reads the result any more (`| head`): nothing to complain about.
    if (codeOf(error) !== 'EPIPE') parts.printError(`liburna: ${messageOf(error)}\n`)
    return exitCodeOf(error)
  }
}

function program (parts: CliParts, result: { code: ExitCode }): Command {
  const root = new Command('liburna')
    .description('Stands in front of the TCP traffic of the pods of one node: identity in the handshake, policy by labels.')
    .version(parts.version, '-V, --version', 'print the version')
    .configureOutput({ writeOut: parts.print, writeErr: parts.printError })
    .exitOverride()
    .showHelpAfterError('(liburna --help lists the commands)')
    .addHelpText('after', exitCodeHelp)
  const report = ({ ok, text }: CommandReport): void => {
    parts.print(text)
    if (!ok) result.code = exitCodes.failed
  }
  root.command('run')
    .description('run the agent until SIGINT or SIGTERM; a second signal ends it at once')
    .requiredOption('-c, --config <file>', 'path of node.yaml')
    .option('-n, --node <name>', 'name of this node, instead of what the file says')
    .option('--api-server <url>', 'in place of kubernetes.server; a manifest can say https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)')
    .option('--issuer <url>', 'in place of issuer.url')
    .option('--metrics <ip:port>', 'in place of metrics.listen; a manifest can say [$(NODE_IP)]:9903')
    .option('--namespace <name>', 'in place of kubernetes.namespace')
    .action(async ({ config, ...given }: { config: string } & GivenSettings) => { result.code = await run(config, parts, given) })
  root.command('disarm')
    .description('take the rules out of the namespaces of all workloads: their traffic is then unprotected')
    .requiredOption('-c, --config <file>', 'path of node.yaml')
    .action(async ({ config }: { config: string }) => { report(await parts.disarm(loadConfig(config))) })
  root.command('doctor')
    .description('what this machine can do, feature by feature')
    .action(async () => { report(await parts.doctor()) })
  root.command('version')
    .description('print the version')
    .action(() => { parts.print(`${parts.version}\n`) })
  addIssuer(root, parts, code => { result.code = code })
  addTools(root, parts.tools ?? realToolParts, code => { result.code = code })
  addConfig(root, parts)
  return root
}

function addConfig (root: Command, parts: CliParts): void {
  const config = root.command('config')
    .description('the settings of node.yaml')
    .addHelpText('after', () => `\n${settingsHelp(settingLines())}`)
  config.command('check <file>')
    .description('say whether the file is right, without starting anything')
    .action((file: string) => {
      const { node, directory } = loadConfig(file)
      parts.print(`${file} is right: node ${node}, ${directory.workloads.length} workloads\n`)
    })
  config.command('markdown')
    .description('print the settings as a Markdown table')
    .action(() => { parts.print(`${settingsMarkdown(settingLines())}\n`) })
}
