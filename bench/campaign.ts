/**
 * One run: every variant is up all the time, and in each round every trial visits every variant before the next trial
 * begins. What disturbs the machine for a while so disturbs all of them, and ratios within a run keep their meaning.
 */

import { readFile } from 'node:fs/promises'
import { messageOf } from '../src/lib/error.ts'
import { startServers } from './servers.ts'
import type { Sample } from './figures.ts'
import type { Site } from './pair.ts'
import type { Measured, Subject, Trial, TrialOptions } from './trials/index.ts'
import type { Variant } from './variants/index.ts'

/** USER_HZ, which Linux tells user space whatever the kernel's own is. */
const ticksPerSecond = 100

export interface CampaignOptions extends TrialOptions {
  readonly rounds: number
  readonly variants: readonly Variant[]
  readonly trials: readonly Trial[]
}

/** One trial on one variant. */
export interface Reading extends Measured {
  readonly variant: string
  readonly trial: string
  /** From 1; 0 is before the first round. */
  readonly round: number
  /** Share of one CPU that the proxies of node A and B took while it ran. */
  readonly cpu: readonly number[]
}

export interface CampaignParts {
  readonly site: Site
  readonly say: (text: string) => void
  /** No new trial is begun once it aborts. */
  readonly signal: AbortSignal
}

/** Resolves with all readings, also of those trials that failed: their samples are empty and the doubt says why. */
export async function runCampaign (options: CampaignOptions, { site, say, signal }: CampaignParts): Promise<Reading[]> {
  const subjects: Subject[] = []
  for (const variant of options.variants) {
    const pair = await site.pair()
    const path = await variant.open(pair)
    await startServers(pair)
    subjects.push({ name: variant.name, pair, path })
    say(`${variant.name} is up`)
  }
  const readings: Reading[] = []
  for (let round = 0; round <= options.rounds; round++) {
    for (const trial of options.trials.filter(({ when }) => (when === 'once') === (round === 0))) {
      for (const subject of rotated(subjects, round)) {
        signal.throwIfAborted()
        const reading = await read(trial, subject, round, options)
        say(`round ${round}/${options.rounds} ${trial.name} ${subject.name}: ${describe(reading)}`)
        readings.push(reading)
      }
    }
  }
  return readings
}

/** No variant is always the one that comes after the same other one. */
function rotated<T> (items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}

async function read (trial: Trial, subject: Subject, round: number, options: TrialOptions): Promise<Reading> {
  const named = { variant: subject.name, trial: trial.name, round }
  const [began, before] = [performance.now(), await cpuSeconds(subject)]
  try {
    const measured = await trial.run(subject, options)
    const used = (await cpuSeconds(subject)).map((value, i) => value - (before[i] ?? 0))
    const seconds = (performance.now() - began) / 1000
    return { ...named, ...measured, sample: { ...measured.sample, ...costOf(measured, used) }, cpu: used.map(value => value / seconds) }
  } catch (error) {
    return { ...named, sample: {}, doubts: [`failed: ${messageOf(error)}`], cpu: [] }
  }
}

/** CPU time of both nodes for each unit of work, in the unit of the figure. */
function costOf ({ work }: Measured, used: readonly number[]): Sample {
  if (work === undefined || used.length === 0) return {}
  const seconds = used.reduce((sum, value) => sum + value, 0)
  return { [work.figure]: seconds / work.units * (work.figure === 'cpu-gigabyte' ? 1e3 : 1e6) }
}

function describe ({ sample, doubts }: Reading): string {
  const values = Object.entries(sample).map(([name, value]) => `${name} ${value < 100 ? value.toFixed(2) : Math.round(value)}`)
  return [...values, ...doubts.map(doubt => `(${doubt})`)].join(', ') || 'nothing to measure'
}

/** CPU time that each proxy has used so far. */
async function cpuSeconds ({ path }: Subject): Promise<number[]> {
  return Promise.all(path.proxies.map(async ({ pid }) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    // proc(5): after the name in brackets, which may hold anything, utime and stime are the 12th and 13th field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond
  }))
}
