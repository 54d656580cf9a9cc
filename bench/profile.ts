/**
 * Where the time of an agent goes: `perf` with the software clock (it works in virtual machines without counters), with
 * Node's map of its own JavaScript functions.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../test/fixtures/lab/run.ts'
import { BenchError } from './error.ts'
import { startNginx } from './servers.ts'
import { liburnaVariant } from './variants/index.ts'
import type { CampaignOptions, CampaignParts } from './campaign.ts'
import type { Pair, Side } from './pair.ts'
import type { Trial } from './trials/index.ts'

/** Samples a second. */
const frequency = 997
/** Not profiled: start, JIT, slow start of TCP. */
const warmUpMs = 1500
/** Below that share of the samples a symbol is not worth a line. */
const leastPercent = 1

/** Runs each trial once on fresh agents and resolves with two tables for each node: by part, and by symbol. */
export async function profile ({ trials, ...options }: CampaignOptions, { site, say, signal }: CampaignParts): Promise<string> {
  const texts: string[] = []
  for (const trial of trials.filter(({ when }) => when === 'every-round')) {
    signal.throwIfAborted()
    const pair = await site.pair()
    const path = await liburnaVariant('liburna', '', false, { nodeFlags: ['--perf-basic-prof'] }).open(pair)
    await startNginx(pair)
    say(`profiling ${trial.name}`)
    const load = trial.run({ name: 'liburna', pair, path }, options)
    const [tables] = await Promise.all([Promise.all(path.proxies.map(async ({ pid }, i) => profileOf(pid, pair, i === 0 ? 'a' : 'b', trial, options.seconds))), load])
    texts.push(...tables)
    await Promise.all(path.proxies.map(async proxy => proxy.stop()))
  }
  return texts.join('\n')
}

async function profileOf (pid: number, pair: Pair, side: Side, trial: Trial, seconds: number): Promise<string> {
  const file = join(pair.site.folder, `${trial.name}-${side}.perf`)
  await new Promise(resolve => setTimeout(resolve, warmUpMs))
  await perf(['record', '-q', '-e', 'cpu-clock', '-F', `${frequency}`, '-g', '-p', `${pid}`, '-o', file, '--', 'sleep', `${Math.max(1, seconds - 1)}`])
  const parts = await perf(['report', '--stdio', '-q', '-i', file, '--no-children', '-g', 'none', '--percent-limit', `${leastPercent}`, '--sort', 'dso'])
  const symbols = await perf(['report', '--stdio', '-q', '-i', file, '--no-children', '-g', 'none', '--percent-limit', `${leastPercent}`, '--sort', 'symbol'])
  rmSync(`/tmp/perf-${pid}.map`, { force: true })
  return [`## ${trial.name}, agent of node ${side.toUpperCase()}`, tidy(parts), tidy(symbols)].join('\n\n')
}

function tidy (text: string): string {
  // perf pads the last columns with hundreds of blanks, for figures that a software clock does not have.
  return text.split('\n').map(line => line.replace(/\s+-\s+-\s*$/, '').trimEnd()).filter(line => line !== '').join('\n')
}

async function perf (args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('perf', args, { withinMs: 120_000 })
  if (code !== 0) throw new BenchError(`perf ${args[0]}: ${stderr.trim()}`, { code: 'trial-failed' })
  return stdout
}
