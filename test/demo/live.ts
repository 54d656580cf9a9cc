/** Verdicts that flip: one policy or one label is changed, with a connection open. */

import { eventually } from '../fixtures/eventually.ts'
import { observe, whyOf } from './calls.ts'
import { webFromBatch, webFromFront } from './world.ts'
import type { LabAgent, LabPod, RecordMatch } from '../fixtures/lab/index.ts'
import type { Row } from './table.ts'
import type { Progress, World } from './world.ts'

/** What is denied now must be closed within it. */
const promiseMs = 1000

interface Flip {
  readonly what: string
  readonly change: () => Promise<void>
  readonly undo: () => Promise<void>
  /** Whose record tells why the live connection was closed. */
  readonly agent: LabAgent
}

export async function liveRows ({ shop, echoByNode }: World, progress: Progress): Promise<Row[]> {
  const { front, batch, westAgent, eastAgent } = shop
  progress('changing a policy under a live connection')
  const rows = await flipRows(front, echoByNode, {
    what: 'web-from-front now names app=batch',
    change: async () => eastAgent.writePolicy('web-from-front', webFromBatch),
    undo: async () => eastAgent.writePolicy('web-from-front', webFromFront),
    agent: eastAgent,
  })
  progress('changing a label under a live connection')
  rows.push(...await flipRows(front, echoByNode, {
    what: 'label of front: app=guest',
    change: async () => westAgent.relabel(front, { app: 'guest' }),
    undo: async () => westAgent.relabel(front, { app: 'front' }),
    agent: eastAgent,
  }))
  progress('giving a pod a label that opens a door')
  await westAgent.relabel(batch, { app: 'front' })
  rows.push(await callRow('west/batch', batch, echoByNode, 'label of batch: app=front', 'allowed', eastAgent))
  await westAgent.relabel(batch, { app: 'batch' })
  rows.push(await callRow('west/batch', batch, echoByNode, 'label of batch: app=batch again', 'denied', eastAgent))
  return rows
}

async function flipRows (client: LabPod, address: string, { what, change, undo, agent }: Flip): Promise<Row[]> {
  const who = `west/${client.name}`
  const [live, after] = [await client.connect(address), agent.records.count]
  if (!await live.echoes('hello\n')) throw new Error(`the connection to ${address} was meant to live`)
  const startedMs = performance.now()
  await change()
  const ending = await live.ended(promiseMs).catch(() => 'open' as const)
  const tookMs = performance.now() - startedMs
  const record = await agent.records.one(closedLive, { after, withinMs: 3000 }).catch(() => undefined)
  const why = `${Math.round(tookMs)} ms after the change; ${record === undefined ? 'no record' : `${record.outcome}: ${whyOf(record)}`}`
  const rows: Row[] = [
    { who, what: address, whom: `live to east/web; ${what}`, expected: 'closed', observed: ending === 'open' ? 'still open' : 'closed', why },
    await callRow(who, client, address, 'a new connection after that', 'denied', agent),
  ]
  await undo()
  return [...rows, await callRow(who, client, address, 'and when it is changed back', 'allowed', agent)]
}

const closedLive: RecordMatch = { direction: 'inbound', outcome: 'policy-changed' }

/** Calls until it goes as expected, for as long as a change may take. */
async function callRow (who: string, from: LabPod, address: string, whom: string, expected: 'allowed' | 'denied', agent: LabAgent): Promise<Row> {
  let observed: string = 'nothing'
  let after = 0
  await eventually(async () => {
    after = agent.records.count
    observed = await observe(from, address)
    return observed === expected
  }, promiseMs).catch(() => {})
  const record = await agent.records.one({ direction: 'inbound' }, { after, withinMs: 3000 }).catch(() => undefined)
  return { who, what: address, whom, expected, observed, why: record === undefined ? 'no record' : whyOf(record) }
}
