/**
 * The process with the two agents in the middle: what may grow in it is what the soak looks for.
 *
 * Started by `relay-process.ts` with the application's port; answers one question, how much it holds.
 */

import { AgentRoad } from './agent-road.ts'
import { modeOf } from './modes.ts'
import { openRelays } from '../fixtures/road.ts'
import { NativeTransport, StreamTransport } from '../../src/relay/index.ts'
import { messageOf } from '../../src/lib/error.ts'
import type { Toll } from '../fixtures/road.ts'
import type { Transport } from '../../src/relay/index.ts'
import type { FromRelays, RelaysSpec, ToRelays } from './relay-process.ts'

const spec = JSON.parse(process.argv[2] ?? '') as RelaysSpec // what our parent has written
const open = (kind: Transport['kind']): Transport => kind === 'native' ? new NativeTransport({ threads: spec.threads }) : new StreamTransport()
const [near, far] = [open(spec.near), open(spec.far)]
const failures: Record<string, number> = {}
let forwarding = 0

const roads = await Promise.all(spec.modes.map(name => {
  const mode = modeOf(name)
  if (mode === 'reused') return AgentRoad.open({ client: near, server: far }, spec.application, fails)
  return openRelays(near, far, mode, { application: spec.application, near: count, far: count, failed: (at, error) => { fails(`${at}: ${messageOf(error)}`) } })
}))
for (const failed of [near.failed, far.failed]) failed.catch((error: unknown) => { console.error(error); process.exit(1) })
tell({ is: 'ready', ports: roads.map(({ port }) => port) })

process.on('message', (message: ToRelays) => {
  void (message.ask === 'holds' ? holds() : stop()).catch((error: unknown) => { console.error(error); process.exit(1) })
})
process.on('disconnect', () => { process.exit(0) })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}) // our parent ends us

function fails (what: string): void { failures[what] = (failures[what] ?? 0) + 1 }

function count ({ ending, session }: Toll): void {
  forwarding++
  void ending.finally(() => {
    forwarding--
    if (session?.isResting === true) void session.close() // nobody here has use for it again
  })
}

async function holds (): Promise<void> {
  for (const road of roads) if (road instanceof AgentRoad) road.rest()
  globalThis.gc?.()
  globalThis.gc?.()
  const counts: Record<string, number> = { forwarding: forwarding + roads.reduce((sum, road) => sum + (road instanceof AgentRoad ? road.open : 0), 0) }
  for (const transport of [near, far]) {
    if (!(transport instanceof NativeTransport)) continue
    for (const census of await transport.census()) for (const [kind, number] of Object.entries(census.counts)) counts[kind] = (counts[kind] ?? 0) + number
  }
  tell({ is: 'holds', counts, failures })
}

async function stop (): Promise<void> {
  // Agents end their transports, too: they are the last.
  for (const road of roads.toSorted((a, b) => Number(a instanceof AgentRoad) - Number(b instanceof AgentRoad))) await road[Symbol.asyncDispose]()
  const left: Record<string, number> = {}
  for (const transport of [near, far]) {
    if (!(transport instanceof NativeTransport)) { await transport.close(); continue }
    for (const census of await transport.stop()) for (const [kind, number] of Object.entries(census.counts)) left[kind] = (left[kind] ?? 0) + number
  }
  tell({ is: 'stopped', left })
  process.disconnect()
}

function tell (message: FromRelays): void {
  process.send?.(message)
}
