/** A whole agent in this process, on a small API server and a small container runtime. */

import { mkdirSync } from 'node:fs'
import { startAgent } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { formatSocketAddress } from '../../src/model/address.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { KubernetesWorld } from '../fixtures/kubernetes-world.ts'
import { FakeRuntime } from '../fixtures/nri-runtime.ts'
import type { Test } from 'tap'
import type { Agent } from '../../src/app.ts'
import type { Config } from '../../src/config.ts'

export interface AgentWorld {
  readonly kubernetes: KubernetesWorld
  readonly runtime: FakeRuntime
  readonly config: Config
  /** Starts an agent that ends with the test. */
  readonly start: () => Promise<Agent>
}

export async function agentWorld (t: Test): Promise<AgentWorld> {
  const kubernetes = await KubernetesWorld.start(t)
  const folder = new TestFolder()
  mkdirSync(folder.at('sa'))
  folder.write('sa/token', 'token')
  folder.write('sa/ca.crt', '')
  const runtime = await FakeRuntime.start(folder.at('nri.sock'))
  runtime.requestTimeoutMs = 10_000 // for a machine with neighbours
  t.teardown(async () => { await runtime[Symbol.asyncDispose](); folder[Symbol.dispose]() })
  const config = parseConfig(JSON.stringify({
    node: 'n1', cluster: 'east', trustDomain: 'east.example', authority: './authority', facts: 'kubernetes', discovery: 'declared',
    kubernetes: { server: kubernetes.server.url, serviceAccount: './sa', namespace: 'liburna', nri: { socket: './nri.sock' } },
    admin: { listen: '127.0.0.1:0' }, records: { path: './records' }, log: { level: 'error' }, shutdown: { timeout: '0s' },
  }), folder.at('node.yaml'))
  const start = async (): Promise<Agent> => {
    const agent = await startAgent(config, { version: 'test' })
    t.teardown(async () => { await agent.stop() })
    return agent
  }
  return { kubernetes, runtime, config, start }
}

/** What the admin server of an agent answers. */
export async function ask (agent: Agent, path: string): Promise<{ status: number, body: string }> {
  const response = await fetch(`http://${formatSocketAddress(agent.adminAddress)}${path}`)
  return { status: response.status, body: await response.text() }
}
