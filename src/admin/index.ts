/** Local HTTP for operators and Prometheus: health, readiness, metrics, dumps, one page. It changes nothing. */

export { AdminError } from './error.ts'
export { HealthFiles } from './health-files.ts'
export { startAdmin, startMetrics } from './server.ts'
export type { AdminView, DumpName } from './pages.ts'
export type { Admin } from './server.ts'
