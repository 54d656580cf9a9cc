/** Resident memory of what moves the bytes: fresh, and with idle connections that have carried one request each. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BenchError } from '../error.ts'
import { httpPort } from '../servers.ts'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Measured, Subject, Trial, TrialOptions } from './trial.ts'

const holder = fileURLToPath(new URL('hold.ts', import.meta.url))
/**
 * Memory has settled when it has not shrunk by a hundredth for so long, ms: V8 gives back what a burst has needed after ten
 * seconds, and an agent looks every ten for what malloc keeps (src/cli/lean.ts).
 */
const calmMs = 25_000
const longestMs = 120_000
const stepMs = 1000

export const memory: Trial = {
  name: 'memory',
  about: 'resident memory of one agent, idle and for each idle connection; the larger of the two nodes',
  figures: ['memory-idle', 'memory-connection'],
  when: 'once',
  run: measure,
}

async function measure (subject: Subject, { idleConnections }: TrialOptions): Promise<Measured> {
  if (subject.path.proxies.length === 0) return { sample: {}, doubts: [] }
  const idle = await settled(subject)
  const child = hold(subject, idleConnections)
  try {
    const open = await held(child)
    const loaded = await settled(subject)
    const grown = loaded.map((bytes, i) => (bytes - (idle[i] ?? 0)) / open)
    return {
      sample: { 'memory-idle': Math.max(...idle) / 1e6, 'memory-connection': Math.max(...grown) / 1024 },
      doubts: open === idleConnections ? [] : [`${open} of ${idleConnections} connections opened`],
      details: { connections: open, idleBytes: idle, loadedBytes: loaded },
    }
  } finally {
    child.stdin.end()
    await once(child, 'exit')
  }
}

function hold ({ pair, path }: Subject, count: number): ChildProcessByStdio<Writable, Readable, null> {
  const { host, port } = path.dial(httpPort)
  return spawn(...pair.commandLine('a', process.execPath, [holder, host, `${port}`, `${count}`]), { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function held (child: ChildProcessByStdio<Writable, Readable, null>): Promise<number> {
  for await (const line of createInterface(child.stdout)) {
    const open = Number(line)
    if (open > 0) return open
    break
  }
  throw new BenchError('no connection could be held', { code: 'trial-failed' })
}

/** VmRSS of each proxy. */
async function residentBytes ({ path }: Subject): Promise<number[]> {
  return Promise.all(path.proxies.map(async ({ pid }) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
  }))
}

/** What is resident when it has settled. */
async function settled (subject: Subject): Promise<number[]> {
  let bytes = await residentBytes(subject)
  for (let calm = 0, waited = 0; calm < calmMs && waited < longestMs; calm += stepMs, waited += stepMs) {
    await new Promise(resolve => setTimeout(resolve, stepMs))
    const now = await residentBytes(subject)
    if (now.some((value, i) => value < (bytes[i] ?? 0) * 0.99)) calm = 0
    bytes = now
  }
  return bytes
}
