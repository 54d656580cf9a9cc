/** The benchmark: see README.md beside this file. */

import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, loadavg, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { codeOf } from '../src/lib/error.ts'
import { buildPackage } from './build.ts'
import { runCampaign } from './campaign.ts'
import { BenchError } from './error.ts'
import { goals, judge, passed } from './goals.ts'
import { optionsText, parseOptions } from './options.ts'
import { Site } from './pair.ts'
import { profile } from './profile.ts'
import { needPrograms } from './programs.ts'
import { resultsOf } from './results.ts'
import { goalsTable, ratiosTable, resultsTable } from './table.ts'
import { trials } from './trials/index.ts'
import { choose, peers as otherPeers, variants } from './variants/index.ts'
import type { CampaignOptions, Reading } from './campaign.ts'
import type { Options } from './options.ts'

const resultsFolder = fileURLToPath(new URL('results/', import.meta.url))
const always = ['ip', 'nsenter', 'setpriv', 'taskset', 'ss', 'nginx', 'wrk', 'iperf3']
const began = performance.now()
/** Above 0.5 something else runs, and rates mean little. */
const [loadBefore = 0] = loadavg()

function say (text: string): void {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}\n`)
}

async function main (argv: readonly string[], signal: AbortSignal): Promise<number> {
  const options = parseOptions(argv)
  if (options.help) { process.stdout.write(helpText()); return 0 }
  if (process.getuid?.() !== 0) throw new BenchError('the benchmark makes network namespaces and so needs root', { code: 'option-invalid' })
  const campaign = campaignOf(options)
  needPrograms([...always, ...campaign.variants.flatMap(({ needs }) => needs)])
  await buildPackage()
  using site = await Site.open(options.cpus)
  if (options.profile) { process.stdout.write(await profile(campaign, { site, say, signal })); return 0 }
  return report(await runCampaign(campaign, { site, say, signal }), options, campaign.variants.map(({ name }) => name))
}

async function report (readings: readonly Reading[], options: Options, order: readonly string[]): Promise<number> {
  const results = resultsOf(readings, order)
  const outcomes = judge(results, goals)
  const doubts = readings.flatMap(({ variant, trial, round, doubts }) => doubts.map(doubt => `! ${variant}, ${trial}, round ${round}: ${doubt}`))
  const parts = [machine(), resultsTable(results), ...['direct', 'haproxy-tls'].map(than => ratiosTable(results, than)), doubts.join('\n')]
  if (options.check) parts.push(goalsTable(outcomes))
  process.stdout.write(`${parts.filter(part => part !== '').join('\n\n')}\n`)
  await save({ machine: machine(), options, results, goals: outcomes, readings })
  if (!options.check) return 0
  if (!passed(outcomes)) process.stdout.write('\nthe goals are not reached\n')
  return passed(outcomes) ? 0 : 1
}

async function save (content: object): Promise<void> {
  await mkdir(resultsFolder, { recursive: true })
  const at = new Date().toISOString()
  const path = `${resultsFolder}${at.replaceAll(':', '-').slice(0, 19)}.json`
  await writeFile(path, `${JSON.stringify({ at, ...content }, undefined, 2)}\n`)
  say(`written to ${path}`)
}

function machine (): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}, Linux ${release()}, Node ${process.versions.node}; load average before the run ${loadBefore.toFixed(1)}`
}

function campaignOf ({ rounds, seconds, connectionSeconds, idleConnections, only, peers }: Options): CampaignOptions {
  const trialNames = trials.map(({ name }) => name)
  const chosenTrials = trials.filter(({ name }) => only.includes(name))
  const chosen = choose(only.filter(name => !trialNames.includes(name)), peers)
  return { rounds, seconds, connectionSeconds, idleConnections, variants: chosen, trials: chosenTrials.length > 0 ? chosenTrials : trials }
}

function helpText (): string {
  const names = (rows: readonly { readonly name: string, readonly about: string }[]): string => rows.map(({ name, about }) => `  ${name.padEnd(16)}  ${about}`).join('\n')
  const usual = variants.filter(variant => variant.usual)
  const asked = variants.filter(variant => !variant.usual)
  return `usage: npm run bench -- [options]\n\n${optionsText()}\n\nvariants:\n${names(usual)}\n\nonly with --peer or --only:\n${names(asked)}\n${names(otherPeers)}\n\ntrials:\n${names(trials)}\n`
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Whoever is impatient ends at once; the listener for exit tidies up either way.
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort(new BenchError('interrupted', { code: 'trial-failed' }))
    process.exit(130)
  })
}

try {
  process.exitCode = await main(process.argv.slice(2), interrupted.signal)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof BenchError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = codeOf(error) === 'option-invalid' ? 2 : 1
}
process.exit()
