/** What each path of the admin server answers. No sockets here. */

import { renderHome } from './home.ts'
import { json } from './http.ts'
import type { FlowRecord } from '../model/flow.ts'
import type { MetricsText, ReadinessStatus } from '../observe/index.ts'
import type { Answer } from './http.ts'

/** Dumps by path: `/workloads` and so on. Each is sorted, so that two can be compared. */
export type DumpName = 'connections' | 'policies' | 'workloads'

/** What the server shows. Every function is asked anew for each request and must be quick. */
export interface AdminView {
  readonly about: { readonly node: string, readonly cluster: string, readonly version: string }
  readonly readiness: () => ReadinessStatus
  readonly metrics: () => Promise<MetricsText>
  /** The latest flow records, oldest first. */
  readonly flows: () => readonly FlowRecord[]
  /** What the tools need to explain a flow as this agent would judge it; `tools` says its form. */
  readonly facts: () => unknown
  readonly dumps: Readonly<Record<DumpName, () => readonly unknown[]>>
}

/** The answer for a path without its query; `undefined` where there is nothing. */
export async function answer (path: string, view: AdminView): Promise<Answer | undefined> {
  switch (path) {
    case '/': return { status: 200, type: 'text/html; charset=utf-8', body: renderHome(view) }
    case '/healthz': return { status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' }
    case '/readyz': return ready(view.readiness())
    case '/metrics': return metricsPage(await view.metrics())
    case '/flows': return json(200, view.flows())
    case '/facts': return json(200, view.facts())
    case '/connections': return json(200, view.dumps.connections())
    case '/policies': return json(200, view.dumps.policies())
    case '/workloads': return json(200, view.dumps.workloads())
    default: return undefined
  }
}

function ready (status: ReadinessStatus): Answer {
  return json(status.ready ? 200 : 503, status)
}

export function metricsPage ({ contentType, text }: MetricsText): Answer {
  return { status: 200, type: contentType, body: text }
}
