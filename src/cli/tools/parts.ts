/** What the commands of the tools do to the outside; a test has its own. */

import { createReadStream } from 'node:fs'
import { ClusterError } from '../../cluster/index.ts'
import { systemClock } from '../../lib/clock.ts'
import { fetchJson } from './fetch-json.ts'

export interface ToolParts {
  /** The characters of a file, of standard input for `-`. Throws ClusterError `file-unreadable`. */
  readonly read: (file: string) => AsyncIterable<string>
  /** Resolves when the text has been taken, so that a slow reader slows us down. */
  readonly write: (text: string) => Promise<void>
  /** For people, beside the result. */
  readonly warn: (text: string) => void
  readonly nowMs: () => number
  /** The JSON at a URL of an agent's admin server. */
  readonly fetchJson: (url: string) => Promise<unknown>
}

export const realToolParts: ToolParts = {
  read,
  write,
  warn: text => { process.stderr.write(text) },
  nowMs: () => systemClock.now(),
  fetchJson,
}

async function * read (file: string): AsyncIterable<string> {
  const stream = file === '-' ? process.stdin.setEncoding('utf8') : createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })
  try {
    for await (const chunk of stream) yield String(chunk)
  } catch (error) {
    throw new ClusterError(`${file === '-' ? 'standard input' : file}: cannot be read`, { code: 'file-unreadable', cause: error })
  }
}

let listens = false

/** Rejects with `EPIPE` when nobody reads any more, as after `| head`. */
function write (text: string): Promise<void> {
  // Without a listener the error of a closed pipe would end the process with a stack trace.
  if (!listens) process.stdout.on('error', () => undefined)
  listens = true
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  process.stdout.write(text, error => { if (error === undefined || error === null) resolve(); else reject(error) })
  return promise
}
