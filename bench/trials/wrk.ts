/** wrk: a closed loop of small HTTP requests. */

import { fileURLToPath } from 'node:url'
import { BenchError } from '../error.ts'
import { httpPort } from '../servers.ts'
import type { Subject } from './trial.ts'

const script = fileURLToPath(new URL('wrk.lua', import.meta.url))

export interface WrkOptions {
  readonly connections: number
  readonly seconds: number
  /** `Connection: close`: a new connection for each request. @default false */
  readonly close?: boolean
}

export interface WrkReport {
  readonly requests: number
  /** Measured, microseconds. */
  readonly us: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly errors: Readonly<Record<string, number>>
}

/** Loads the path; the whole takes at most ten seconds longer than asked for. */
export async function wrk ({ pair, path }: Subject, { connections, seconds, close = false }: WrkOptions): Promise<WrkReport> {
  const { host, port } = path.dial(httpPort)
  const { stdout, stderr } = await pair.run('a', 'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s', '-s', script, ...close ? ['-H', 'Connection: close'] : [], `http://${host}:${port}/`], (seconds + 10) * 1000)
  const line = /^\{"requests".*\}$/m.exec(stdout)?.[0]
  if (line === undefined) throw new BenchError(`wrk gave no report: ${stderr.trim() || stdout.trim()}`, { code: 'trial-failed' })
  const report = JSON.parse(line) as WrkReport // wrk.lua beside this file writes it
  if (report.requests === 0) throw new BenchError(`wrk had no answer: ${doubtsOf(report).join(', ')}`, { code: 'trial-failed' })
  return report
}

/** Errors of the load, in words; none when all went well. */
export function doubtsOf ({ errors }: WrkReport): string[] {
  return Object.entries(errors).filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind} errors`)
}
