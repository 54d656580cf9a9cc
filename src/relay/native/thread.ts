/** A relay thread as the main thread sees it: orders out, reports in. */

import { Worker } from 'node:worker_threads'
import { Bell } from '../../sys/index.ts'
import type { Census } from '../../sys/index.ts'
import type { ConnectionId, Order, Report, ThreadData } from './protocol.ts'

/** Reports that concern one connection. */
export type ConnectionReport = Extract<Report, { readonly id: ConnectionId }>
export type ListenerReport = Extract<Report, { readonly listener: number }>
export type ForwardReport = Extract<Report, { readonly is: 'ended' }> | { readonly is: 'moved', readonly fromClient: number, readonly fromServer: number }

/** It allocates little, and would otherwise grow to 34 MB in a burst of handshakes and keep them: nothing collects while it waits. */
const youngGenerationMb = 12

export class RelayThread {
  readonly #bell = new Bell()
  readonly #quit = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker: Worker
  readonly #failed = Promise.withResolvers<never>()
  readonly #stopped = Promise.withResolvers<Census>()
  #orders: Order[] = []
  #isStopping = false
  #last: Census | undefined
  readonly connections = new Map<ConnectionId, (report: ConnectionReport) => void>()
  readonly listeners = new Map<number, (report: ListenerReport) => void>()
  readonly forwards = new Map<ConnectionId, (report: ForwardReport) => void>()
  readonly #censuses: Array<PromiseWithResolvers<Census>> = []
  readonly #beforeExit = (): void => { this.#leaveLoop() }

  /** `trace`: remember who makes descriptors and OpenSSL objects, for tests. */
  constructor (trace: boolean) {
    // They may come when nobody listens.
    this.#failed.promise.catch(() => {})
    this.#stopped.promise.catch(() => {})
    const workerData: ThreadData = { bell: this.#bell.number, quit: this.#quit, trace }
    // As a compiled package this file is `.js`, and so is its neighbour.
    const script = new URL(import.meta.url.endsWith('.ts') ? './thread/main.ts' : './thread/main.js', import.meta.url)
    const resourceLimits = { maxYoungGenerationSizeMb: youngGenerationMb }
    this.#worker = new Worker(script, { workerData, resourceLimits, name: 'relay', execArgv: [] }) // flags of the process are for its own script
    this.#worker.on('message', (reports: readonly Report[]) => { for (const report of reports) this.#hear(report) })
    this.#worker.on('error', error => { this.#failed.reject(error) })
    this.#worker.on('exit', () => { this.#exited() })
    process.on('exit', this.#beforeExit)
  }

  /** Rejects when the thread has died, which no connection of it survives. */
  get failed (): Promise<never> { return this.#failed.promise }

  /** Orders of one turn of this thread's loop leave together, those of the promises that it settles too: ringing is what costs. */
  post (order: Order): void {
    if (this.#isStopping) return
    this.#orders.push(order)
    if (this.#orders.length === 1) process.nextTick(() => { this.#flush() })
  }

  /** What of things without a garbage collector is alive there. */
  census (): Promise<Census> {
    this.post({ op: 'census' })
    const answer = Promise.withResolvers<Census>()
    this.#censuses.push(answer)
    return answer.promise
  }

  /** Ends all its connections; resolves with what it could not let go of, which is a fault, when it is gone. */
  stop (): Promise<Census> {
    this.post({ op: 'stop' })
    this.#flush()
    this.#isStopping = true
    return this.#stopped.promise
  }

  #flush (): void {
    if (this.#orders.length === 0) return
    const orders = this.#orders
    this.#orders = []
    this.#worker.postMessage(orders)
    this.#bell.ring()
  }

  #hear (report: Report): void {
    switch (report.is) {
      case 'accepted': case 'refused': case 'unlistened': this.listeners.get(report.listener)?.(report); return
      case 'ended': this.forwards.get(report.client)?.(report); return
      case 'moved': this.#moved(report.counts); return
      case 'census': this.#censuses.shift()?.resolve({ counts: report.counts, makers: report.makers }); return
      case 'stopped': this.#last = { counts: report.counts, makers: report.makers }; return
      default: this.connections.get(report.id)?.(report)
    }
  }

  #moved (counts: readonly number[]): void {
    for (let i = 0; i + 2 < counts.length; i += 3) {
      const [client = 0, fromClient = 0, fromServer = 0] = counts.slice(i, i + 3)
      this.forwards.get(client)?.({ is: 'moved', fromClient, fromServer })
    }
  }

  /** Process exit waits for threads, and this one waits in a system call. */
  #leaveLoop (): void {
    Atomics.store(this.#quit, 0, 1)
    this.#bell.ring()
  }

  #exited (): void {
    process.off('exit', this.#beforeExit)
    this.#bell.close()
    if (!this.#isStopping) this.#failed.reject(new Error('a relay thread has ended'))
    // Nobody must wait for an answer that does not come.
    for (const [client, tell] of [...this.forwards]) tell({ is: 'ended', client, fromClient: 0, fromServer: 0, ending: { kind: 'reset', by: 'client', detail: 'relay-thread-ended' } })
    for (const [id, tell] of [...this.connections]) { tell({ is: 'broken', id, code: 'handshake-failed', detail: 'relay-thread-ended' }); tell({ is: 'gone', id }) }
    for (const [listener, tell] of [...this.listeners]) tell({ is: 'unlistened', listener })
    for (const { reject } of this.#censuses.splice(0)) reject(new Error('a relay thread has ended'))
    if (this.#last !== undefined) this.#stopped.resolve(this.#last)
    else this.#stopped.reject(new Error('a relay thread has died'))
  }
}
