/** A whole agent in a process of its own, on a cluster and a container runtime: what it costs. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../test/fixtures/eventually.ts'
import { TestFolder } from '../../test/fixtures/folder.ts'
import { addNetns, netnsPath, removeNetns } from '../../test/fixtures/lab/netns.ts'
import { FakeRuntime } from '../../test/fixtures/nri-runtime.ts'
import { FakeApiServer } from '../../test/fixtures/api-server.ts'
import { here } from './objects.ts'
import type { FilledCluster } from './filled-cluster.ts'

export interface AgentCost {
  /** Until every pod here is captured and has its certificate. */
  readonly startCpuMs: number
  /** When it has come to rest. */
  readonly residentMb: number
  /** While pods elsewhere change. */
  readonly churnCpuMsPerSecond: number
  readonly afterChurnMb: number
}

export interface CostOptions {
  readonly churnPerSecond: number
  readonly seconds: number
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const startMs = 300_000
const settleMs = 3000
/** USER_HZ, the same on all architectures that we run on. */
const ticksPerSecond = 100

/** Real network namespaces, real rules, certificates of an authority of its own. */
export async function measureAgent (cluster: FilledCluster, { churnPerSecond, seconds }: CostOptions): Promise<AgentCost> {
  const prefix = `lb${process.pid}-`
  using folder = new TestFolder()
  await using runtime = await FakeRuntime.start(folder.at('nri.sock'))
  const names = [...cluster.uids.keys()]
  await addNetns(...names.map(name => prefix + name))
  try {
    runtime.pods = names.map(name => ({ id: name, uid: cluster.uids.get(name) ?? '', namespace: 'bench-0', name, netns: netnsPath(prefix + name) }))
    const port = await freePort()
    mkdirSync(folder.at('sa'))
    folder.write('sa/token', 'token')
    folder.write('sa/ca.crt', '')
    folder.write('node.yaml', JSON.stringify({
      node: here, cluster: 'bench', trustDomain: 'bench.example', authority: './authority', facts: 'kubernetes', discovery: 'declared',
      kubernetes: { ...cluster.settings, serviceAccount: './sa', nri: { socket: './nri.sock' } },
      admin: { listen: `127.0.0.1:${port}` }, records: { path: '/dev/null' }, log: { level: 'error' }, shutdown: { timeout: '0s' },
    }))
    const agent = spawn(process.execPath, [main, 'run', '--config', folder.at('node.yaml')], { stdio: ['ignore', 'ignore', 'inherit'] })
    try {
      const pid = agent.pid ?? 0
      await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200, startMs)
      const startCpuMs = cpuMs(pid)
      await pause(settleMs)
      const [residentMb, before] = [memoryMb(pid), cpuMs(pid)]
      for (let i = 0; i < churnPerSecond * seconds; i++) {
        await Promise.all([cluster.touch(i, `change ${i}`), pause(1000 / churnPerSecond)])
      }
      return { startCpuMs, residentMb, churnCpuMsPerSecond: (cpuMs(pid) - before) / seconds, afterChurnMb: memoryMb(pid) }
    } finally {
      agent.kill('SIGTERM')
      await once(agent, 'exit')
    }
  } finally {
    removeNetns(prefix)
  }
}

function memoryMb (pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000
}

/** User and system. */
function cpuMs (pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 1000 / ticksPerSecond
}

async function freePort (): Promise<number> {
  await using server = await FakeApiServer.start()
  return server.port
}

async function pause (ms: number): Promise<void> { await new Promise(resolve => setTimeout(resolve, ms)) }
