/** Running `nft` and `ip` inside a namespace. A child inherits the namespace of the thread that forks it. */

import { spawn } from 'node:child_process'
import { codeOf } from '../lib/error.ts'
import { Turns } from '../lib/turns.ts'
import { CaptureError } from './error.ts'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import type { Netns } from '../sys/index.ts'

/** What a tool said. */
export interface ToolResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** More than this of a tool's output is thrown away: it is for error messages and short listings. */
const mostChars = 64 * 1024

/** A node has hundreds of pods, and an agent that starts or ends has to do with all of them. */
const turns = new Turns(16)

/** Runs the tool inside `netns` with `input`; resolves also when it fails. Throws `tool-missing`. */
export function runTool (netns: Netns, command: 'nft' | 'ip', args: readonly string[], input = ''): Promise<ToolResult> {
  return turns.take(() => runNow(netns, command, args, input))
}

async function runNow (netns: Netns, command: string, args: readonly string[], input: string): Promise<ToolResult> {
  const child = netns.run(() => spawn(command, args, { env: { PATH: toolPath(), LC_ALL: 'C' } }))
  child.stdin.on('error', () => undefined) // it may end before it has read all; the status tells
  child.stdin.end(input)
  const [stdout, stderr, status] = await Promise.all([textOf(child.stdout), textOf(child.stderr), statusOf(child, command)])
  return { status, stdout, stderr }
}

/** Service managers often leave out the sbin folders, where both tools live. */
function toolPath (): string {
  return '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

function statusOf (child: ChildProcessWithoutNullStreams, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', error => {
      const missing = codeOf(error) === 'ENOENT'
      reject(missing ? new CaptureError('tool-missing', `${command} is not installed`, { cause: error }) : error)
    })
    child.once('close', code => { resolve(code ?? -1) })
  })
}

async function textOf (stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) text = (text + String(chunk)).slice(0, mostChars)
  return text
}
