/** Events as the API server wants them (events.k8s.io/v1; pkg/apis/core/validation/events.go says what it refuses). Pure. */

import { createHash } from 'node:crypto'
import { occurrenceReasons } from '../../model/occurrence.ts'
import type { Occurrence } from '../../model/occurrence.ts'

export interface EventFacts {
  readonly occurrence: Occurrence
  readonly name: string
  /** How often it has happened. */
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

/** Bytes of a note. */
const mostNote = 1024
const mostInstance = 128
/** Of an object's name within the name of its event, which may have 253 characters. */
const mostNamePart = 200

/** An object of no namespace has its events in `default`. */
export function eventNamespace ({ about }: Occurrence): string {
  return about.namespace === '' ? 'default' : about.namespace
}

/** Everybody who gives the same `salt` gets the same name. */
export function eventName ({ about, reason, sort }: Occurrence, salt: string): string {
  const hash = createHash('sha256').update(JSON.stringify([about.kind, about.uid, about.name, reason, sort, salt])).digest('hex')
  return `${about.name.slice(0, mostNamePart).replace(/[^a-z0-9]+$/, '')}.${hash.slice(0, 16)}`
}

/** @param instance name of the node whose agent tells it. */
export function eventObject (facts: EventFacts, instance: string): object {
  const { occurrence: { about: { apiVersion, kind, namespace, name, uid }, reason, note } } = facts
  const { action, text } = occurrenceReasons[reason]
  return {
    apiVersion: 'events.k8s.io/v1', kind: 'Event',
    metadata: { name: facts.name, namespace: eventNamespace(facts.occurrence) },
    type: 'Warning', reason, action, note: bounded(note === '' ? text : `${text}: ${note}`),
    regarding: { apiVersion, kind, name, ...uid !== '' && { uid }, ...namespace !== '' && { namespace } },
    eventTime: microTime(facts.firstMs), reportingController: 'liburna.io/agent', reportingInstance: instance.slice(0, mostInstance),
    ...facts.count > 1 && seriesOf(facts),
  }
}

/** What changes when it happens again: nothing else may. */
export function seriesOf ({ count, lastMs }: EventFacts): object {
  return { series: { count, lastObservedTime: microTime(lastMs) } }
}

/** Words of other agents may be in it: nothing that a terminal would obey. */
function bounded (note: string): string {
  const clean = note.replace(/\p{C}/gu, ' ')
  if (Buffer.byteLength(clean) <= mostNote) return clean
  return `${Buffer.from(clean).toString('utf8', 0, mostNote - 8).replace(/\uFFFD$/, '')} …`
}

/** Six digits after the point, or it is refused. */
function microTime (ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
