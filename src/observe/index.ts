/**
 * What the agent tells about itself: log, metrics, flow records, readiness.
 *
 * Nothing here may make traffic wait or fail: sinks are bounded and drop, counted.
 */

export { Faults } from './faults.ts'
export { Flow } from './flow.ts'
export { FlowRecorder } from './flow-recorder.ts'
export { IssuerMetrics } from './issuer-metrics.ts'
export { createLog, logLevels, silentLog } from './log.ts'
export { Metrics } from './metrics.ts'
export { untold } from './occurrences.ts'
export { Readiness } from './readiness.ts'
export { FileSink } from './sink.ts'
export type { FlowAddresses, FlowParties } from './flow.ts'
export type { EndedFlow, FlowRecorderOptions, FlowRecorderParts } from './flow-recorder.ts'
export type { Log, LogFields, LogLevel, LogOptions } from './log.ts'
export type { MetricsText, NotEnforced, ReloadSource, SessionSource, StatusResult } from './metrics.ts'
export type { Occurrences } from './occurrences.ts'
export type { Condition, ReadinessStatus } from './readiness.ts'
export type { LineSink, SinkOptions } from './sink.ts'
