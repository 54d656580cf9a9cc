/** `npm run soak`: a day of connections, compressed. See `--help`. */

import { messageOf } from '../../src/lib/error.ts'
import { complaintsAbout } from './judgement.ts'
import { help, parseOptions } from './options.ts'
import { soak } from './soak.ts'
import type { Look, SoakResult } from './soak.ts'

async function main (argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv)
  if (options.help) { process.stdout.write(help); return 0 }
  const say = (line: string): void => { process.stderr.write(`${line}\n`) }
  const until = AbortSignal.any([stopSignal(), AbortSignal.timeout(options.minutes * 60_000)])
  const result = await soak({ ...options, until, onLook: look => { say(lineOf(look)) }, onFault: say })
  const complaints = complaintsAbout(result)
  if (options.json) process.stdout.write(`${JSON.stringify({ ...result, complaints }, undefined, 2)}\n`)
  else print(result, complaints)
  return complaints.length === 0 ? 0 : 1
}

function lineOf ({ done, seconds, residentMb, descriptors, counts, faultCount }: Look): string {
  const held = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`).join(', ')
  return `${seconds.toFixed(0).padStart(6)} s  ${String(done).padStart(8)} done  ${(done / seconds).toFixed(0)}/s  ${residentMb.toFixed(0)} MB  ${descriptors} descriptors  ${faultCount} faults  (${held})`
}

function print ({ done, seconds, bytes, patterns, faults }: SoakResult, complaints: readonly string[]): void {
  console.log(`\n${done} connections in ${seconds.toFixed(0)} s (${(done / seconds).toFixed(0)}/s), ${(bytes / 2 ** 30).toFixed(1)} GiB checked`)
  for (const [pattern, count] of Object.entries(patterns)) console.log(`  ${pattern.padEnd(18)} ${String(count).padStart(9)}`)
  for (const fault of faults) console.log(`  ${fault}`)
  console.log(complaints.length === 0 ? 'nothing was lost, nothing has grown' : complaints.join('\n'))
}

/** The first Ctrl-C ends it in order, the second at once. */
function stopSignal (): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  }
  return stop.signal
}

main(process.argv.slice(2)).then(code => { process.exitCode = code }, (error: unknown) => {
  process.stderr.write(`soak: ${messageOf(error)}\n`)
  process.exitCode = 2
})
