/** The command line of the soak. */

import { parseArgs } from 'node:util'
import { modeNames } from './modes.ts'
import type { ModeName } from './modes.ts'
import type { Transport } from '../../src/relay/index.ts'

export interface Options {
  readonly help: boolean
  readonly json: boolean
  readonly connections: number
  readonly minutes: number
  readonly parallel: number
  readonly between: number
  readonly seed: number
  readonly threads: number
  readonly near: Transport['kind']
  readonly far: Transport['kind']
  /** In turn. */
  readonly modes: readonly ModeName[]
}

export const help = `liburna soak: connections of every pattern through two agents on loopback, every byte checked.

  npm run soak -- --connections 2000000

  --connections N   how many (2000000)
  --minutes N       end after so long, however many there were (1440)
  --parallel N      how many are open at a time (64)
  --between N       connections between two looks at what the agents hold (5 % of all; at most 50000)
  --mode M          encrypt, authenticate, mixed (the ends ask for different ones), plain or reused (whole agents, whose
                    sessions carry one connection after another); may be repeated (all of them)
  --near K, --far K what moves the bytes at either end: native or streams (native)
  --threads N       relay threads of each end (1)
  --seed N          another seed is another soak (1)
  --json            the result as JSON
  --help            this text

Ctrl-C ends it in order, with the result so far. Exit code 0 only when no byte was lost, doubled or swapped, every
connection has ended as it should, and nothing has grown after the first look.
`

/** Throws TypeError or RangeError. */
export function parseOptions (argv: readonly string[]): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...argv],
    options: {
      connections: text, minutes: text, parallel: text, between: text, mode: { ...text, multiple: true }, near: text, far: text, threads: text, seed: text,
      json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const connections = whole('connections', values.connections, 2_000_000)
  return {
    help: values.help, json: values.json, connections,
    minutes: whole('minutes', values.minutes, 1440),
    parallel: whole('parallel', values.parallel, 64),
    between: whole('between', values.between, Math.min(50_000, Math.ceil(connections / 20))),
    seed: whole('seed', values.seed, 1),
    threads: whole('threads', values.threads, 1),
    near: oneOf('near', values.near ?? 'native', ['native', 'streams']),
    far: oneOf('far', values.far ?? 'native', ['native', 'streams']),
    modes: values.mode?.map(mode => oneOf('mode', mode, modeNames)) ?? modeNames,
  }
}

function whole (name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1e9) throw new RangeError(`--${name} is ${text}; expected a whole number from 1`)
  return value
}

function oneOf<T extends string> (name: string, value: string, known: readonly T[]): T {
  const found = known.find(each => each === value)
  if (found === undefined) throw new RangeError(`--${name} is ${value}; expected one of ${known.join(', ')}`)
  return found
}
