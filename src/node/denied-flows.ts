/** Tells of denied connections at the local pod that they are about, once for each sort. */

import { parseSocketAddress } from '../model/address.ts'
import { kindOfWorkload, podName } from '../model/occurrence.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { FlowRecord } from '../model/flow.ts'
import type { Occurrence } from '../model/occurrence.ts'
import type { Identity } from '../model/workload.ts'
import type { EndedFlow, FlowRecorder, Occurrences } from '../observe/index.ts'

export function tellDeniedFlows (recorder: Pick<FlowRecorder, 'onEnd'>, occurrences: Occurrences): Unsubscribe {
  return recorder.onEnd(ended => {
    const occurrence = deniedFlow(ended)
    if (occurrence !== undefined) occurrences.tell(occurrence)
  })
}

/**
 * `undefined` for a flow that policy has not denied. A sort is: direction, what made the other end (not which of its
 * pods), port, and rule. A stranger's address and port are no part of it: they are as many as he likes.
 */
function deniedFlow ({ record, parties: { local, remote } }: EndedFlow): Occurrence | undefined {
  if (record.verdict !== 'denied' || local === undefined) return undefined
  const { direction, decidedBy, reason } = record
  const port = portOf(record)
  const who = remote === undefined ? `a stranger (${record.peer})` : kindOfWorkload(remote)
  const at = remote === undefined ? `, such as ${ipOf(record)},` : ` (${podOf(remote)})`
  const where = direction === 'inbound' ? `from ${who}${at} to port ${port}` : `to ${who}${at} port ${port}`
  const by = record.outcome === 'denied-by-peer' ? 'the other end denies it by' : 'denied by'
  return { about: podName(local.attributes), reason: 'FlowDenied', sort: [direction, who, port, decidedBy].join(' '), note: `${where}: ${by} ${decidedBy}: ${reason}`, isShared: false }
}

/** Where it arrives; at the dialling end that is known when the other one has told. */
function portOf ({ realDestination, originalDestination }: FlowRecord): number {
  return parseSocketAddress(realDestination === '' ? originalDestination : realDestination)?.port ?? 0
}

function ipOf ({ direction, source, destination }: FlowRecord): string {
  return parseSocketAddress((direction === 'inbound' ? source : destination).address)?.ip.text ?? 'unknown'
}

function podOf ({ attributes: { namespace, name } }: Identity): string {
  return `pod ${namespace}/${name}`
}
