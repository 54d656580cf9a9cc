#!/usr/bin/env node
/**
 * The command `liburna`.
 *
 * Node 24 is needed; a machine's own may be older. This file therefore uses nothing that Node 20 lacks, imports the rest
 * only after the check, and otherwise starts itself again with the Node that came with the package.
 */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const leastMajor = 24
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const

if (Number.parseInt(process.versions.node, 10) >= leastMajor) {
  const { main } = await import('./cli/index.ts')
  process.exitCode = await main(process.argv.slice(2))
  // Left to itself Node waits at its end for whatever a socket has half done, in a loop that takes all of a CPU and may have
  // no end (node::Environment::CleanupHandles; seen: an agent whose pods had been let go).
  process.once('beforeExit', () => { process.exit() })
  // What a library left open must not keep a finished command alive.
  setTimeout(() => { process.exit() }, 1000).unref()
} else {
  startAgain(ownNode())
}

/** Path of the Node that the package depends on; `undefined` when npm left it out. */
function ownNode (): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`)
    const binary = join(dirname(manifest), 'bin', 'node')
    return existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}

/**
 * Runs this file with the other Node and ends as it ends. The child leads its own session, so that a Ctrl-C of the
 * terminal reaches it once (through us) and not twice: a second signal means "at once".
 */
function startAgain (node: string | undefined): void {
  if (node === undefined) {
    process.stderr.write(`liburna: needs Node ${leastMajor}, this is ${process.version}, and the package node-linux-${process.arch} is not installed\n`)
    process.exitCode = 1
    return
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', detached: true })
  for (const signal of forwarded) process.on(signal, () => { child.kill(signal) })
  child.on('error', error => {
    process.stderr.write(`liburna: cannot start ${node}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    for (const each of forwarded) process.removeAllListeners(each)
    if (signal === null) process.exitCode = code ?? 1
    else process.kill(process.pid, signal)
  })
}
