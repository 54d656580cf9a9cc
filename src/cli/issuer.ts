/** `liburna issuer`: the certificate authority of a cluster, from start to end. */

import { Command } from 'commander'
import { issuerSettingLines, loadIssuerConfig } from '../issuer-config.ts'
import { exitCodes } from './exit-code.ts'
import { runUntilStopped } from './run.ts'
import { settingsHelp } from './settings-text.ts'
import type { IssuerConfig } from '../issuer-config.ts'
import type { ExitCode } from './exit-code.ts'
import type { RunningAgent, RunParts } from './run.ts'

export interface IssuerCommandParts extends Pick<RunParts, 'signals' | 'exit'> {
  /** Resolves when it serves. */
  readonly startIssuer: (config: IssuerConfig) => Promise<RunningAgent>
  readonly print: (text: string) => void
}

interface IssuerOptions {
  readonly config: string
  readonly apiServer?: string
  readonly check?: boolean
}

/** Adds the command; `done` is told its exit code. */
export function addIssuer (root: Command, parts: IssuerCommandParts, done: (code: ExitCode) => void): void {
  root.command('issuer')
    .description('run the certificate authority of a cluster until SIGINT or SIGTERM; a second signal ends it at once')
    .requiredOption('-c, --config <file>', 'path of issuer.yaml')
    .option('--api-server <url>', 'in place of the setting kubernetes.server: a manifest can say https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)')
    .option('--check', 'only say whether the file is right')
    .addHelpText('after', () => `\n${settingsHelp(issuerSettingLines(), 'issuer.yaml')}`)
    .action(async ({ config: file, apiServer, check }: IssuerOptions) => {
      const read = loadIssuerConfig(file)
      const config = apiServer === undefined ? read : { ...read, kubernetes: { ...read.kubernetes, server: apiServer } }
      if (check !== true) { done(await runUntilStopped(() => parts.startIssuer(config), parts)); return }
      parts.print(`${file} is right: trust domain ${config.trustDomain}, cluster ${config.cluster}\n`)
      done(exitCodes.ok)
    })
}
