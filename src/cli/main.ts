/** The command line with everything real behind it. */

import { readFileSync } from 'node:fs'
import { systemClock } from '../lib/clock.ts'
import { disarmAll } from './disarm.ts'
import { doctorReport } from './doctor.ts'
import { keepLean } from './lean.ts'
import { runCli } from './program.ts'
import type { ExitCode } from './exit-code.ts'
import type { CliParts } from './program.ts'

/** Runs the command line; the result is the exit code of the process. */
export function main (argv: readonly string[]): Promise<ExitCode> {
  process.stdout.on('error', onClosedPipe)
  return runCli(argv, realParts(versionOfPackage()))
}

/** Nobody reads our output any more, as after `| head`: that is no fault. Flow records do not go this way. */
function onClosedPipe (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/**
 * What touches the kernel is imported only by the commands that need it: `--help`, `--version` and `config check`
 * work on any machine.
 */
function realParts (version: string): CliParts {
  return {
    version,
    async startAgent (config) {
      const { startAgent } = await import('../app.ts')
      const agent = await startAgent(config, { version })
      await keepSmall()
      return agent
    },
    async startIssuer (config) {
      const { startIssuer } = await import('../issuer-app.ts')
      const issuer = await startIssuer(config, { version })
      await keepSmall()
      return { stop: () => issuer.stop(), reopenFiles () {} }
    },
    async disarm (config) {
      const { disarmNetns, removeHostGuard } = await import('../capture/index.ts')
      const { Netns } = await import('../sys/index.ts')
      return disarmAll(config, disarmNetns, async () => {
        using here = Netns.openOwn()
        await removeHostGuard(here)
      })
    },
    async doctor () {
      const { feature, featureNames } = await import('../sys/index.ts')
      return doctorReport(featureNames.map(feature))
    },
    signals: process,
    exit: code => process.exit(code),
    print: text => { process.stdout.write(text) },
    printError: text => { process.stderr.write(text) },
  }
}

async function keepSmall (): Promise<void> {
  const { releaseBurstMemory, releaseStartupMemory } = await import('../sys/index.ts')
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
  keepLean({ clock: systemClock, resident: () => process.memoryUsage.rss(), cpuMs, release: releaseStartupMemory, releaseBurst: releaseBurstMemory })
}

/** package.json lies beside `src` and beside `dist`. */
function versionOfPackage (): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string } // our own file
  return version
}
