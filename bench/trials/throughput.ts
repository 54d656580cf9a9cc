/** Bytes from client to server by iperf3. What the receiver got counts, not what the sender could put into buffers. */

import { BenchError } from '../error.ts'
import { iperfPort } from '../servers.ts'
import type { FigureName } from '../figures.ts'
import type { Measured, Subject, Trial, TrialOptions } from './trial.ts'

/** Not counted: TCP's slow start, and the JIT of whoever has one. */
const warmUpSeconds = 1

export const throughput1 = throughput('throughput-1', 1)
export const throughput8 = throughput('throughput-8', 8)

function throughput (name: FigureName, streams: number): Trial {
  return { name, about: `iperf3 with ${streams} stream${streams === 1 ? '' : 's'}, client to server`, figures: streams === 1 ? [name, 'cpu-gigabyte'] : [name], when: 'every-round', run: async (subject, options) => transfer(subject, options, name, streams) }
}

async function transfer ({ pair, path }: Subject, { seconds }: TrialOptions, figure: FigureName, streams: number): Promise<Measured> {
  const { host, port } = path.dial(iperfPort)
  const { stdout, stderr } = await pair.run('a', 'iperf3',
    ['-c', host, '-p', `${port}`, '-P', `${streams}`, '-t', `${seconds}`, '-O', `${warmUpSeconds}`, '--connect-timeout', '5000', '-J'], (seconds + warmUpSeconds + 10) * 1000)
  const gbits = receivedGbits(stdout, stderr)
  // CPU time is that of the whole load, so the bytes are those of the whole load too.
  const work = { figure: 'cpu-gigabyte', units: gbits / 8 * (seconds + warmUpSeconds) } as const
  return { sample: { [figure]: gbits }, doubts: [], ...streams === 1 && { work } }
}

interface Report { readonly error?: string, readonly end?: { readonly sum_received?: { readonly bits_per_second?: number } } }

function receivedGbits (json: string, stderr: string): number {
  const report = parse(json)
  const bits = report.end?.sum_received?.bits_per_second
  if (report.error !== undefined || bits === undefined) throw new BenchError(`iperf3: ${report.error ?? (stderr.trim() || 'no report')}`, { code: 'trial-failed' })
  return bits / 1e9
}

function parse (json: string): Report {
  try {
    return JSON.parse(json) as Report // every field that is read is optional
  } catch {
    return {} // killed at the deadline
  }
}
