/** Running programs to their end, for as long as it takes; `signal` ends them early, with all their children. */

import { spawn } from 'node:child_process'
import { ClusterError } from './error.ts'

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Written to standard input. @default nothing */
  readonly input?: string | Uint8Array
  /** A file as standard input, in place of `input`. */
  readonly inputFd?: number
  readonly cwd?: string
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** SIGKILL after this time. @default 60000 */
  readonly withinMs?: number
  readonly signal?: AbortSignal
  /** Hears standard output and error as they come. */
  readonly onOutput?: (text: string) => void
}

/** Resolves whatever the exit code is; rejects when the program cannot be started or was called off. */
export async function run (command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { input = '', inputFd, cwd, env = {}, withinMs = 60_000, signal, onOutput = () => {} } = options
  signal?.throwIfAborted()
  // A process group of its own: `go build` and the like leave no children behind when they are called off.
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: [inputFd ?? 'pipe', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => { output[name] += text; onOutput(text) })
  }
  // A program that does not read its input is no fault of ours.
  child.stdin?.on('error', () => {}).end(input)
  const kill = (): void => { if (child.pid !== undefined) killGroup(child.pid) }
  const timer = setTimeout(kill, withinMs)
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, ending) => { resolve(status ?? (ending === null ? 255 : 128)) })
    })
    signal?.throwIfAborted()
    return { code, ...output }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', kill)
  }
}

/** As `run`, but any exit code except 0 is an error; resolves with the standard output. */
export async function must (command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code !== 0) throw new ClusterError('command-failed', `${command} ${args.join(' ')} ended with ${code}: ${`${stdout}\n${stderr}`.trim().slice(-4000)}`)
  return stdout
}

function killGroup (pid: number): void {
  try { process.kill(-pid, 'SIGKILL') } catch { /* it was faster */ }
}
