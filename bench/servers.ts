/** The applications on node B: nginx for requests, iperf3 for throughput. Real ones, in C, so that they are not the bottleneck. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../test/fixtures/eventually.ts'
import { BenchError } from './error.ts'
import type { Daemon } from '../test/fixtures/lab/daemon.ts'
import type { Pair, Side } from './pair.ts'

export const httpPort = 8080
export const iperfPort = 5201

/** Answers every request with a small page, keeps connections open for an hour, and logs nothing. */
async function startNginx (pair: Pair): Promise<Daemon> {
  const folder = join(pair.site.folder, pair.netns('b'), 'nginx')
  await mkdir(folder, { recursive: true })
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${folder};`).join(' ')
  await writeFile(join(folder, 'nginx.conf'), `
daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 16384; multi_accept on; }
http {
  access_log off; ${paths}
  keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
  server { listen ${httpPort} backlog=4096; location / { default_type text/plain; return 200 "ok\\n"; } }
}
`)
  const daemon = pair.start({ command: 'nginx', args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], side: 'b' })
  await listening(pair, 'b', httpPort, daemon, 'nginx')
  return daemon
}

/** nginx and iperf3. */
export async function startServers (pair: Pair): Promise<void> {
  await Promise.all([startNginx(pair), startIperf(pair)])
}

/** Serves one test after another. */
async function startIperf (pair: Pair): Promise<Daemon> {
  const daemon = pair.start({ command: 'iperf3', args: ['-s', '-p', `${iperfPort}`], side: 'b' })
  await listening(pair, 'b', iperfPort, daemon, 'iperf3')
  return daemon
}

/** Resolves once `daemon` listens on `port`; throws BenchError 'variant-failed' with its words when it ends instead. */
export async function listening (pair: Pair, side: Side, port: number, daemon: Daemon, name: string): Promise<void> {
  const outcome = await eventually(async () => {
    if (!daemon.running) return 'ended'
    return await pair.listens(side, port) && 'listens'
  })
  if (outcome === 'ended') throw new BenchError(`${name} ended: ${daemon.output}`, { code: 'variant-failed' })
}
