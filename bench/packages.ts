/** The Debian packages that the benchmark needs: installed when they are missing, saying so. */

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { run } from '../test/fixtures/lab/run.ts'
import { BenchError } from './error.ts'

/** Command to package. */
const packageOf: Readonly<Record<string, string>> = {
  nft: 'nftables', ip: 'iproute2', ss: 'iproute2', nsenter: 'util-linux', taskset: 'util-linux', setpriv: 'util-linux', openssl: 'openssl',
  haproxy: 'haproxy', iperf3: 'iperf3', wrk: 'wrk', nginx: 'nginx-light', perf: 'linux-perf',
}

/** Debian's way to keep a package from starting the server that it brings. */
const policyFile = '/usr/sbin/policy-rc.d'

/** Throws BenchError 'program-missing' when one of `commands` is not there and cannot be installed. */
export async function ensurePrograms (commands: readonly string[], say: (text: string) => void): Promise<void> {
  const missing = commands.filter(command => !isThere(command))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(command => packageOf[command] ?? command))]
  say(`installing the Debian packages ${packages.join(' ')}`)
  await install(packages)
  const still = missing.filter(command => !isThere(command))
  if (still.length > 0) throw new BenchError(`missing programs: ${still.join(', ')}; as root on Debian they are installed by this command`, { code: 'program-missing' })
}

function isThere (command: string): boolean {
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].some(folder => existsSync(`${folder}/${command}`))
}

async function install (packages: readonly string[]): Promise<void> {
  const ownPolicy = !existsSync(policyFile)
  if (ownPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await run('apt-get', ['update', '-qq'], { withinMs: 120_000 })
    await run('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages], { withinMs: 300_000 })
  } finally {
    if (ownPolicy) rmSync(policyFile)
  }
}
