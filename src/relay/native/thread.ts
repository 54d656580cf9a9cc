/** A relay thread as the main thread sees it: orders out, reports in. */

import { Worker } from 'node:worker_threads'
import { Bell } from '../../sys/index.ts'
import type { Census } from '../../sys/index.ts'
import type { ConnectionId, Order, Report, ThreadData } from './protocol.ts'

/** Reports that concern one connection. */
export type ConnectionReport = Extract<Report, { readonly id: ConnectionId }>
export type ListenerReport = Extract<Report, { readonly listener: number }>
export type LoanReport = Extract<Report, { readonly session: ConnectionId }>
export type ForwardReport = Extract<Report, { readonly is: 'ended' }> | { readonly is: 'moved', readonly fromClient: number, readonly fromServer: number }

/** It allocates little, and would otherwise grow to 34 MB in a burst of handshakes and keep them: nothing collects while it waits. */
const youngGenerationMb = 12

/** Something of ours has thrown in a relay thread; it has let go of the one connection that was concerned. */
export class RelayFault extends Error {
  override readonly name = 'RelayFault'
}

/** How to make each thread leave its loop: process exit waits for threads, and these wait in a system call. */
const running = new Set<() => void>()

function leaveAll (): void {
  for (const leave of running) leave()
}

export class RelayThread {
  readonly #bell = new Bell()
  readonly #quit = new Int32Array(new SharedArrayBuffer(4))
  readonly #heard = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker: Worker
  readonly #failed = Promise.withResolvers<never>()
  readonly #stopped = Promise.withResolvers<Census>()
  #orders: Order[] = []
  #isStopping = false
  #isGone = false
  #last: Census | undefined
  readonly connections = new Map<ConnectionId, (report: ConnectionReport) => void>()
  readonly listeners = new Map<number, (report: ListenerReport) => void>()
  readonly forwards = new Map<ConnectionId, (report: ForwardReport) => void>()
  /** By session. */
  readonly loans = new Map<ConnectionId, (report: LoanReport) => void>()
  readonly #censuses: Array<PromiseWithResolvers<Census>> = []
  readonly #leave = (): void => { this.#leaveLoop() }

  /** `trace`: remember who makes descriptors and OpenSSL objects, for tests. `state`: what loans rest on (`Lender.state`). */
  constructor (state: Int32Array<SharedArrayBuffer>, trace: boolean) {
    // They may come when nobody listens.
    this.#failed.promise.catch(() => {})
    this.#stopped.promise.catch(() => {})
    const workerData: ThreadData = { bell: this.#bell.number, quit: this.#quit, heard: this.#heard, state, trace }
    // As a compiled package this file is `.js`, and so is its neighbour.
    const script = new URL(import.meta.url.endsWith('.ts') ? './thread/main.ts' : './thread/main.js', import.meta.url)
    const resourceLimits = { maxYoungGenerationSizeMb: youngGenerationMb }
    this.#worker = new Worker(script, { workerData, resourceLimits, name: 'relay', execArgv: [] }) // flags of the process are for its own script
    this.#worker.on('message', (reports: readonly Report[]) => { for (const report of reports) this.#hear(report) })
    this.#worker.on('error', error => { this.#failed.reject(new Error('a relay thread has died', { cause: error })) })
    this.#worker.on('exit', () => { this.#exited() })
    if (running.size === 0) process.on('exit', leaveAll)
    running.add(this.#leave)
  }

  /** Rejects when the thread has died, which no connection of it survives. */
  get failed (): Promise<never> { return this.#failed.promise }

  /** Orders of one turn of this thread's loop leave together, those of the promises that it settles too: ringing is what costs. */
  post (order: Order): void {
    if (this.#isGone) { queueMicrotask(() => { this.#tellGone() }); return } // whoever asks has an answer to wait for
    if (this.#isStopping) return
    this.#orders.push(order)
    if (this.#orders.length === 1) process.nextTick(() => { this.#flush() })
  }

  /** What of things without a garbage collector is alive there. */
  census (): Promise<Census> {
    const answer = Promise.withResolvers<Census>()
    this.#censuses.push(answer)
    this.post({ op: 'census' })
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
    if (this.#orders.length === 0 || this.#isGone) return
    const orders = this.#orders
    this.#orders = []
    this.#worker.postMessage(orders)
    this.#bell.ring()
  }

  #hear (report: Report): void {
    switch (report.is) {
      case 'accepted': Atomics.add(this.#heard, 0, 1); this.listeners.get(report.listener)?.(report); return
      case 'refused': case 'unlistened': this.listeners.get(report.listener)?.(report); return
      case 'began': Atomics.add(this.#heard, 0, 1); this.loans.get(report.session)?.(report); return
      case 'returned': case 'lapsed': this.loans.get(report.session)?.(report); return
      case 'ended': this.forwards.get(report.client)?.(report); return
      case 'moved': this.#moved(report.counts); return
      case 'census': this.#censuses.shift()?.resolve({ counts: report.counts, makers: report.makers }); return
      // Thrown where nobody catches: told, counted and survived like any other fault of the process.
      case 'fault': queueMicrotask(() => { throw new RelayFault(report.what) }); return
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

  #leaveLoop (): void {
    Atomics.store(this.#quit, 0, 1)
    this.#bell.ring()
  }

  #exited (): void {
    running.delete(this.#leave)
    if (running.size === 0) process.off('exit', leaveAll)
    this.#isGone = true
    this.#bell.close()
    if (!this.#isStopping) this.#failed.reject(new Error('a relay thread has ended by itself'))
    this.#tellGone()
    if (this.#last !== undefined) this.#stopped.resolve(this.#last)
    else this.#stopped.reject(new Error('a relay thread has died'))
  }

  /** Nobody must wait for an answer that does not come. */
  #tellGone (): void {
    const detail = 'relay-thread-ended'
    for (const [client, tell] of [...this.forwards]) tell({ is: 'ended', client, fromClient: 0, fromServer: 0, ending: { kind: 'reset', by: 'client', detail } })
    for (const [session, tell] of [...this.loans]) tell({ is: 'lapsed', session, isStale: false })
    for (const [id, tell] of [...this.connections]) { tell({ is: 'broken', id, code: 'handshake-failed', detail }); tell({ is: 'gone', id }) }
    for (const [listener, tell] of [...this.listeners]) tell({ is: 'unlistened', listener })
    for (const { reject } of this.#censuses.splice(0)) reject(new Error('a relay thread has ended'))
  }
}
