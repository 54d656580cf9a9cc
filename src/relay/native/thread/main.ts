/**
 * Where a relay thread begins: it waits in its own loop until it is told to stop.
 *
 * While it waits, Node's event loop of this thread does not run: orders are taken from the port when the bell rings,
 * and nothing here may use promises, timers or streams.
 */

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { census, traceLive } from '../../../sys/index.ts'
import { Loop } from './loop.ts'
import { Relay } from './relay.ts'
import { Tidy } from './tidy.ts'
import type { MessagePort } from 'node:worker_threads'
import type { Order, Report, ThreadData } from '../protocol.ts'

const { bell, quit, heard, state, trace } = workerData as ThreadData // that is what RelayThread starts us with
const port = ownPort()

/** What nobody waits for may wait for more so long, ms, and there may be so much of it: each batch wakes the main thread. */
const [gatherMs, mostGathered] = [2, 64]

traceLive(trace)
let reports: Report[] = []
let isUrgent = false
let isGathering = false
const loop = new Loop(bell, { onBell: takeOrders, afterTurn, onFault: tellFault })
const relay = new Relay(loop, { report, note (report) { reports.push(report) }, onFault: tellFault, heard: () => Atomics.load(heard, 0), state: () => Atomics.load(state, 0) })

const tidy = new Tidy(loop)

loop.run()
loop[Symbol.dispose]()
reports.push({ is: 'stopped', ...census() })
tell()

function takeOrders (): void {
  // The process is about to exit: it would wait for us.
  if (Atomics.load(quit, 0) !== 0) { loop.stop(); return }
  for (let batch = take(); batch !== undefined; batch = take()) for (const order of batch) relay.obey(order)
}

function take (): readonly Order[] | undefined {
  const message: { readonly message: readonly Order[] } | undefined = receiveMessageOnPort(port)
  return message?.message
}

function report (report: Report): void {
  reports.push(report)
  isUrgent = true
}

function afterTurn (): void {
  tidy.turn()
  tellInTime()
}

function tellInTime (): void {
  if (isUrgent || reports.length >= mostGathered) { tell(); return }
  if (reports.length === 0 || isGathering) return
  isGathering = true
  loop.after(gatherMs, () => {
    isGathering = false
    tell()
  })
}

function tell (): void {
  if (reports.length === 0) return
  port.postMessage(reports)
  reports = []
  isUrgent = false
}

function tellFault (error: unknown): void {
  report({ is: 'fault', what: error instanceof Error ? error.stack ?? error.message : String(error) })
}

function ownPort (): MessagePort {
  if (parentPort === null) throw new Error('not a thread')
  return parentPort
}
