/** Who may call whom: every call over a path on which addresses say nothing about the caller. */

import type { LabAgent, LabPod, RecordMatch } from '../fixtures/lab/index.ts'
import type { FlowRecord } from '../../src/model/flow.ts'
import type { Row } from './table.ts'
import type { Progress, World } from './world.ts'

interface Call {
  readonly from: LabPod
  readonly who: string
  readonly address: string
  readonly whom: string
  readonly expected: 'allowed' | 'denied'
  /** Whose record tells who decided, and which one it is. */
  readonly agent: LabAgent
  readonly match: RecordMatch
}

export async function callRows (world: World, progress: Progress): Promise<Row[]> {
  progress('calling')
  const rows: Row[] = []
  for (const call of callsOf(world)) rows.push(await rowOf(call))
  return rows
}

function callsOf ({ shop }: World): Call[] {
  const { front, batch, rogue, web, db, westAgent, eastAgent, webByBalancer, webByBalancer6, webByNode, dbByNode } = shop
  const behind = (pods: string): string => `${pods}, through NAT`
  const out: RecordMatch = { direction: 'outbound' }
  const into: RecordMatch = { direction: 'inbound' }
  return [
    { from: front, who: 'west/front', address: webByBalancer, whom: behind('east/web by the load balancer'), expected: 'allowed', agent: eastAgent, match: into },
    { from: front, who: 'west/front', address: webByBalancer6, whom: behind('the same, by IPv6'), expected: 'allowed', agent: eastAgent, match: into },
    { from: batch, who: 'west/batch', address: webByBalancer, whom: behind('east/web by the load balancer'), expected: 'denied', agent: westAgent, match: out },
    { from: front, who: 'west/front', address: dbByNode, whom: behind('east/db by its node'), expected: 'denied', agent: westAgent, match: out },
    { from: batch, who: 'west/batch', address: dbByNode, whom: behind('east/db by its node'), expected: 'denied', agent: westAgent, match: out },
    { from: web, who: 'east/web', address: db.at(3306), whom: 'east/db (speaks first)', expected: 'allowed', agent: eastAgent, match: into },
    { from: batch, who: 'west/batch', address: front.at(8080), whom: 'west/front', expected: 'allowed', agent: westAgent, match: into },
    { from: db, who: 'east/db', address: web.at(8080), whom: 'east/web: the same address!', expected: 'denied', agent: eastAgent, match: into },
    { from: rogue, who: 'west/rogue', address: webByNode, whom: 'east/web; no identity, but the IP of front', expected: 'denied', agent: eastAgent, match: into },
  ]
}

async function rowOf ({ from, who, address, whom, expected, agent, match }: Call): Promise<Row> {
  const after = agent.records.count
  const observed = await observe(from, address)
  const record = await agent.records.one(match, { after, withinMs: 3000 }).catch(() => undefined)
  return { who, what: address, whom, expected, observed, why: record === undefined ? 'no record' : whyOf(record) }
}

/** Allowed is what the application at the other end has answered. */
export async function observe (from: LabPod, address: string): Promise<'allowed' | 'denied'> {
  try {
    const connection = await from.connect(address)
    // nginx waits for a request; the others speak first, and a MariaDB does not mind one that makes no sense.
    await connection.write('GET / HTTP/1.0\r\n\r\n')
    const answer = await connection.readUntil('\n')
    await connection.finish()
    return answer === '' ? 'denied' : 'allowed'
  } catch {
    return 'denied'
  }
}

/** The rule that decided and, where it did not match, the nearest reason why. */
export function whyOf ({ decidedBy, reason, outcome }: FlowRecord): string {
  const rule = decidedBy === '' ? outcome : decidedBy
  const nearest = /\(nearest: .*?\]: (.*)\)$/.exec(reason)?.[1]
  return nearest === undefined ? rule : `${rule}: ${nearest}`
}
