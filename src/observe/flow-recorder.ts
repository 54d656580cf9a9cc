/** Opens flows and writes their records: one JSON line each, one log line, the metrics, and a ring of recent ones. */

import { randomBytes } from 'node:crypto'
import { Emitter } from '../lib/emitter.ts'
import { outcomes } from '../model/outcome.ts'
import { Flow } from './flow.ts'
import type { Clock } from '../lib/clock.ts'
import type { Unsubscribe } from '../lib/emitter.ts'
import type { Direction, FlowRecord } from '../model/flow.ts'
import type { FlowAddresses, FlowEvents, FlowParties } from './flow.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { LineSink } from './sink.ts'

export interface FlowRecorderParts {
  /** Name of this node, for the records. */
  readonly node: string
  /** Where the records go, one JSON object a line. */
  readonly sink: LineSink
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** What listeners hear of a flow. */
export interface EndedFlow {
  readonly record: FlowRecord
  readonly parties: FlowParties
}

export interface FlowRecorderOptions {
  /** How many of the latest records `recent` keeps. @default 500 */
  readonly ring?: number
}

export class FlowRecorder {
  readonly #parts: FlowRecorderParts
  readonly #ring: number
  /** Made once: they are the same for all flows of a direction. */
  readonly #events: Readonly<Record<Direction, FlowEvents>>
  readonly #recent: FlowRecord[] = []
  readonly #open = new Set<Flow>()
  readonly #ends = new Emitter<EndedFlow>()

  constructor (parts: FlowRecorderParts, { ring = 500 }: FlowRecorderOptions = {}) {
    this.#parts = parts
    this.#ring = ring
    this.#events = { inbound: this.#eventsOf('inbound'), outbound: this.#eventsOf('outbound') }
  }

  /** A socket was accepted, `agoMs` before now. The caller disposes of the flow (`using`), which ends in exactly one record. */
  open (direction: Direction, addresses: FlowAddresses, agoMs = 0): Flow {
    const flow = new Flow(direction, addresses, this.#events[direction], agoMs)
    this.#open.add(flow)
    this.#parts.metrics.flowStarted(direction)
    return flow
  }

  /** Flows that have not ended, in the order they were opened. */
  get openFlows (): readonly Flow[] { return [...this.#open] }

  /** `listener` is called for each flow that has ended; it must be quick, and not throw. */
  onEnd (listener: (ended: EndedFlow) => void): Unsubscribe { return this.#ends.on(listener) }

  /** The latest records, oldest first. */
  recent (): readonly FlowRecord[] { return [...this.#recent] }

  #eventsOf (direction: Direction): FlowEvents {
    const { clock, metrics } = this.#parts
    return {
      monotonic: () => clock.monotonic(),
      makeId: () => randomBytes(16).toString('hex'),
      moved: (way, bytes) => { metrics.bytesMoved(direction, way, bytes) },
      ended: (flow, record) => { this.#end(flow, record) },
      fault: fault => { metrics.internalFault(fault) },
    }
  }

  #end (flow: Flow, rest: Omit<FlowRecord, 'time' | 'node'>): void {
    const { node, sink, log, metrics, clock } = this.#parts
    const record: FlowRecord = { time: new Date(clock.now()).toISOString(), node, ...rest }
    this.#open.delete(flow)
    this.#keep(record)
    sink.write(`${JSON.stringify(record)}\n`)
    metrics.flowEnded(record)
    log[outcomes[record.outcome].level](outcomes[record.outcome].text, fieldsOf(record))
    this.#ends.emit({ record, parties: flow.parties })
  }

  #keep (record: FlowRecord): void {
    this.#recent.push(record)
    if (this.#recent.length > this.#ring) this.#recent.shift()
  }
}

/** What the log line tells; all of it is in the record under the flow's id. */
function fieldsOf (record: FlowRecord): Record<string, unknown> {
  const { flow, direction, source, destination, outcome, detail, verdict, decidedBy, reason } = record
  return {
    flow, direction, outcome, detail, verdict, decidedBy, reason,
    source: source.spiffeId === '' ? source.address : `${source.spiffeId} (${source.namespace}/${source.name})`,
    destination: destination.spiffeId === '' ? destination.address : `${destination.spiffeId} (${destination.namespace}/${destination.name})`,
  }
}
