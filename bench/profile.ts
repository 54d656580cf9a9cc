/**
 * Where the time of an agent goes: `perf` with the software clock (it works in virtual machines without counters), with
 * Node's map of its own JavaScript functions.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../test/fixtures/lab/run.ts'
import { BenchError } from './error.ts'
import { parsePerf, partNames } from './profile-parts.ts'
import { startServers } from './servers.ts'
import { textTable } from './table.ts'
import type { CampaignOptions, CampaignParts } from './campaign.ts'
import type { Symbol } from './profile-parts.ts'
import type { Trial } from './trials/index.ts'
import type { Variant } from './variants/index.ts'

/** Samples a second. */
const frequency = 997
/** Not profiled: start, JIT, slow start of TCP. */
const warmUpMs = 1500
/** Below that share of the samples a symbol is not worth a line. */
const leastPercent = 1

/** Runs each trial once on fresh proxies of each variant and resolves with two tables for each node: by part, and by symbol. A
 * variant of one process for each node only. */
export async function profile (options: CampaignOptions, parts: CampaignParts): Promise<string> {
  const texts: string[] = []
  for (const trial of options.trials.filter(({ when }) => when === 'every-round')) {
    for (const variant of options.variants.filter(({ name }) => name !== 'direct')) {
      parts.signal.throwIfAborted()
      parts.say(`profiling ${trial.name} of ${variant.name}`)
      texts.push(...await profileTrial(trial, variant, options, parts))
    }
  }
  return `${texts.join('\n\n')}\n`
}

async function profileTrial (trial: Trial, variant: Variant, options: CampaignOptions, { site }: CampaignParts): Promise<string[]> {
  const pair = await site.pair()
  const path = await variant.open(pair, ['--perf-basic-prof', '--logfile=/dev/null', '--no-logfile-per-isolate'])
  await startServers(pair)
  const load = trial.run({ name: variant.name, pair, path }, options)
  const tables = Promise.all(path.proxies.map(async ({ pid }, i) => {
    return `### ${trial.name}, ${variant.name} of node ${i === 0 ? 'A' : 'B'}\n\n${await profileOf(pid, site.folder, options.seconds)}`
  }))
  await Promise.all([load, tables])
  await Promise.all(path.proxies.map(async proxy => proxy.stop()))
  return tables
}

async function profileOf (pid: number, folder: string, seconds: number): Promise<string> {
  const file = join(folder, `${pid}.perf`)
  await new Promise(resolve => setTimeout(resolve, warmUpMs))
  await perf(['record', '-q', '-e', 'cpu-clock', '-F', `${frequency}`, '-p', `${pid}`, '-o', file, '--', 'sleep', `${Math.max(1, seconds - 1)}`])
  const text = await perf(['report', '--stdio', '-q', '-i', file, '--no-children', '-t', '\t', '--sort', 'dso,symbol'])
  rmSync(`/tmp/perf-${pid}.map`, { force: true })
  const symbols = parsePerf(text)
  const top = symbols.filter(({ percent }) => percent >= leastPercent).map(({ percent, name, part }) => [percent.toFixed(1), part, name])
  return [partsTable(symbols), textTable(['%', 'part', 'symbol'], top)].join('\n\n')
}

function partsTable (symbols: readonly Symbol[]): string {
  const rows = partNames.map(part => ({ part, percent: symbols.filter(symbol => symbol.part === part).reduce((sum, { percent }) => sum + percent, 0) }))
  return textTable(['%', 'part'], rows.sort((a, b) => b.percent - a.percent).map(({ part, percent }) => [percent.toFixed(1), part]))
}

async function perf (args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('perf', args, { withinMs: 120_000 })
  if (code !== 0) throw new BenchError(`perf ${args[0]}: ${stderr.trim()}`, { code: 'trial-failed' })
  return stdout
}
