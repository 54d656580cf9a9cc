/**
 * The demonstration: two nodes whose pods have the same addresses, NAT between them, labels that decide.
 *
 * `npm run demo` stays up to be looked at; `npm run demo -- --once` ends by itself, with 0 only when every row of the
 * table is as expected.
 */

import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/lib/error.ts'
import { callRows } from './calls.ts'
import { liveRows } from './live.ts'
import { secretRows } from './secrets.ts'
import { allExpected, printTable } from './table.ts'
import { openWorld } from './world.ts'
import type { Row } from './table.ts'
import type { World } from './world.ts'

const help = `liburna demo: two nodes, seven pods, identical pod addresses, NAT and a load balancer in between.

  npm run demo                 builds it, shows who may call whom, stays up until Ctrl-C
  npm run demo -- --once       ends by itself: exit code 0 when every row is as expected, otherwise 1
  npm run demo -- --help       this text

Needs root and Linux. Everything lives in network namespaces named lb<pid>-...; nothing of the machine's own network
is changed, and nothing stays behind.
`

async function demo (endsByItself: boolean, stop: AbortSignal): Promise<number> {
  const progress = (text: string): void => { process.stderr.write(`  ${text}\n`) }
  await using world = await openWorld(progress)
  const rows: Row[] = []
  for (const step of [callRows, secretRows, liveRows]) {
    if (stop.aborted) return 130
    rows.push(...await step(world, progress))
  }
  printTable(rows)
  if (endsByItself) return allExpected(rows) ? 0 : 1
  printPlaces(world)
  await until(stop)
  progress('taking it down')
  return allExpected(rows) ? 0 : 1
}

/** Keeps the process alive, which a lab at rest does not. */
async function until (stop: AbortSignal): Promise<void> {
  const alive = setInterval(() => {}, 60_000)
  if (!stop.aborted) await once(stop, 'abort')
  clearInterval(alive)
}

function printPlaces ({ shop: { westAgent, eastAgent, front, webByBalancer } }: World): void {
  const lines = [westAgent, eastAgent].flatMap(agent => [
    `  node ${agent.node.name}   metrics   ${agent.adminUrl}/metrics`,
    `              ready     ${agent.adminUrl}/readyz`,
    `              policies  ${agent.folder}/policies   (edit a file: live connections are judged again)`,
  ])
  console.log(`\nIt stays up; Ctrl-C ends it.\n\n${lines.join('\n')}\n\n  call something yourself:   nsenter --net=${front.netns} curl http://${webByBalancer}/\n`)
}

/** Ctrl-C once takes everything down in order; a second one does not make it faster, so that nothing stays behind. */
function stopSignal (): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { stop.abort() })
  return stop.signal
}

async function main (): Promise<number> {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  return await demo(values.once, stopSignal())
}

main().then(code => { process.exitCode = code }, (error: unknown) => {
  process.stderr.write(`demo: ${messageOf(error)}\n`)
  process.exitCode = 2
})
