/**
 * The two servers of an agent.
 *
 * The admin server tells names and addresses of what runs here, and who talks to whom: it listens on loopback unless
 * told otherwise, and whoever makes it listen elsewhere opens it to that network. The metrics server is what a scraper
 * of another machine may have: numbers, and the names of this node's workloads; every other path is not there.
 */

import { startHttp } from './http.ts'
import { answer, metricsPage } from './pages.ts'
import type { Clock } from '../lib/clock.ts'
import type { SocketAddress } from '../model/address.ts'
import type { Log } from '../observe/index.ts'
import type { RunningHttp } from './http.ts'
import type { AdminView } from './pages.ts'

export type Admin = RunningHttp

/** Binds and serves everything; later, where another agent ends. Throws AdminError when the address cannot be had. */
export async function startAdmin (listen: SocketAddress, view: AdminView, log: Log, clock?: Clock): Promise<Admin> {
  return await startHttp({ setting: 'admin.listen', listen, ...clock !== undefined && { clock } }, path => answer(path, view), log)
}

/** As `startAdmin`, for `/metrics` and nothing else. */
export async function startMetrics (listen: SocketAddress, view: Pick<AdminView, 'metrics'>, log: Log, clock?: Clock): Promise<Admin> {
  return await startHttp({ setting: 'metrics.listen', listen, ...clock !== undefined && { clock } }, async path => path === '/metrics' ? metricsPage(await view.metrics()) : undefined, log)
}
