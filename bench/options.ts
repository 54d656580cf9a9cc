/** The command line of the benchmark. */

import { parseArgs } from 'node:util'
import { BenchError } from './error.ts'
import type { ParseArgsOptionsConfig } from 'node:util'

export interface Options {
  readonly help: boolean
  readonly check: boolean
  readonly profile: boolean
  readonly rounds: number
  readonly seconds: number
  readonly connectionSeconds: number
  readonly idleConnections: number
  readonly cpus: { readonly a: number, readonly b: number }
  /** Names of variants and trials. */
  readonly only: readonly string[]
  /** `NAME` or `NAME=PATH`. */
  readonly peers: readonly string[]
}

interface OptionLine { readonly name: string, readonly value?: string, readonly short?: string, readonly meaning: string }

const lines: readonly OptionLine[] = [
  { name: 'rounds', value: 'N', meaning: 'rounds; the results are medians over them (5)' },
  { name: 'seconds', value: 'N', meaning: 'length of one trial (4)' },
  { name: 'connect-seconds', value: 'N', meaning: 'how long new connections are opened in one trial (as --seconds); 120 shows what TIME_WAIT does' },
  { name: 'idle', value: 'N', meaning: 'idle connections for the memory trial (1000)' },
  { name: 'quick', meaning: 'one round of one second for each trial: does it work, not how fast is it' },
  { name: 'only', value: 'NAME', meaning: 'only this variant or this trial; may be repeated' },
  { name: 'peer', value: 'NAME[=PATH]', meaning: 'also this variant, which is not measured without being asked for; may be repeated' },
  { name: 'cpus', value: 'A,B', meaning: 'the CPU of node A and that of node B (0,1)' },
  { name: 'check', meaning: 'compare with the goals of bench/goals.ts; exit 1 when one is missed' },
  { name: 'profile', meaning: 'no comparison: where the time of both agents goes, from the CPU profile of Node' },
  { name: 'help', short: 'h', meaning: 'this text' },
]

/** Throws BenchError 'option-invalid'. */
export function parseOptions (argv: readonly string[]): Options {
  const { values } = parse(argv)
  const text = (name: string): string | undefined => [values[name]].flat().filter(value => typeof value === 'string')[0]
  const texts = (name: string): string[] => [values[name]].flat().filter(value => typeof value === 'string')
  const quick = values['quick'] === true
  const seconds = whole('seconds', text('seconds'), quick ? 1 : 4, 600)
  return {
    help: values['help'] === true,
    check: values['check'] === true,
    profile: values['profile'] === true,
    rounds: whole('rounds', text('rounds'), quick ? 1 : 5, 100),
    seconds,
    connectionSeconds: whole('connect-seconds', text('connect-seconds'), seconds, 3600),
    idleConnections: whole('idle', text('idle'), 1000, 5000),
    cpus: cpusOf(text('cpus') ?? '0,1'),
    only: texts('only'),
    peers: texts('peer'),
  }
}

export function optionsText (): string {
  const left = lines.map(({ name, value, short }) => `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`)
  const width = Math.max(...left.map(text => text.length))
  return lines.map(({ meaning }, i) => `  ${(left[i] ?? '').padEnd(width)}  ${meaning}`).join('\n')
}

function parse (argv: readonly string[]): ReturnType<typeof parseArgs> {
  const options: ParseArgsOptionsConfig = Object.fromEntries(lines.map(({ name, value, short }) => [name,
    value === undefined ? { type: 'boolean', ...short !== undefined && { short } } : { type: 'string', multiple: true }]))
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false })
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error), { code: 'option-invalid', cause: error })
  }
}

function whole (name: string, text: string | undefined, otherwise: number, most: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw new BenchError(`--${name} is ${text}; expected a whole number from 1 to ${most}`, { code: 'option-invalid' })
  return value
}

function cpusOf (text: string): Options['cpus'] {
  const match = /^(\d{1,4}),(\d{1,4})$/.exec(text)
  if (match === null) throw new BenchError(`--cpus is ${text}; expected two numbers such as 0,1`, { code: 'option-invalid' })
  return { a: Number(match[1]), b: Number(match[2]) }
}
