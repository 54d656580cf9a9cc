/** Tells log, metrics and readiness what a source cannot use, and when that is over. */

import type { Unsubscribe } from '../lib/emitter.ts'
import type { Log, Metrics, Readiness } from '../observe/index.ts'
import type { ClusterSource, SourceFailure } from './source.ts'

export interface ReportParts {
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
}

export function reportFailures (source: ClusterSource, parts: ReportParts): Unsubscribe {
  let known: readonly SourceFailure[] = []
  return source.onChange(change => {
    if (change.kind !== 'failures-changed') return
    for (const failure of change.failures.filter(failure => !includes(known, failure))) tellFailure(failure, parts)
    for (const { origin } of known.filter(({ origin }) => !change.failures.some(failure => failure.origin === origin))) tellEnd(origin, parts)
    for (const name of ['policies', 'node'] as const) {
      parts.metrics.unreadableFiles(name, change.failures.filter(failure => failure.source === name).length)
    }
    known = change.failures
  })
}

function tellFailure ({ origin, source, message }: SourceFailure, { log, metrics, readiness }: ReportParts): void {
  metrics.reloadFailed(source)
  readiness.trouble(origin, message)
  log.error('facts cannot be read; their last good state stays in force', { origin, problem: message })
}

function tellEnd (origin: string, { log, readiness }: ReportParts): void {
  readiness.settled(origin)
  log.info('facts can be read again', { origin })
}

function includes (failures: readonly SourceFailure[], wanted: SourceFailure): boolean {
  return failures.some(({ origin, message }) => origin === wanted.origin && message === wanted.message)
}
