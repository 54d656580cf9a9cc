/** Runs command lines of the tools in this process: what they would read, and what they wrote. */

import { realToolParts, runCli } from '../../src/cli/index.ts'
import type { CliParts, ToolParts } from '../../src/cli/index.ts'

export interface ToolWorld {
  readonly run: (...argv: string[]) => Promise<number>
  readonly said: { out: string, err: string }
}

export interface ToolWorldOptions {
  /** What is on standard input; in pieces of this many characters. */
  readonly input?: string
  readonly pieces?: number
  /** What the admin server answers. */
  readonly agent?: (url: string) => unknown
}

export const noon = Date.UTC(2026, 10, 23, 12)

/** Each run begins with nothing said. Other files than `-` are the machine's. */
export function toolWorld ({ input = '', pieces = 65_536, agent = () => { throw new Error('no agent here') } }: ToolWorldOptions = {}): ToolWorld {
  const said = { out: '', err: '' }
  const tools: ToolParts = {
    ...realToolParts,
    read: file => file === '-' ? piecesOf(input, pieces) : realToolParts.read(file),
    write: text => { said.out += text; return Promise.resolve() },
    warn: text => { said.err += text },
    nowMs: () => noon,
    fetchJson: url => Promise.resolve().then(() => agent(url)),
  }
  const parts: CliParts = {
    version: '1.2.3',
    startAgent: () => Promise.reject(new Error('not in this test')),
    startIssuer: () => Promise.reject(new Error('not in this test')),
    disarm: () => Promise.reject(new Error('not in this test')),
    doctor: () => Promise.reject(new Error('not in this test')),
    signals: process,
    exit: () => undefined,
    print: text => { said.out += text },
    printError: text => { said.err += text },
    tools,
  }
  return { said, run: (...argv) => { said.out = ''; said.err = ''; return runCli(argv, parts) } }
}

async function * piecesOf (text: string, size: number): AsyncIterable<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}
