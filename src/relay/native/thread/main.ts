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
import type { MessagePort } from 'node:worker_threads'
import type { Order, Report, ThreadData } from '../protocol.ts'

const { bell, quit, heard, trace } = workerData as ThreadData // that is what RelayThread starts us with
const port = ownPort()

traceLive(trace)
let reports: Report[] = []
const loop = new Loop(bell, { onBell: takeOrders, afterTurn: tell, onFault: tellFault })
const relay = new Relay(loop, { report (report) { reports.push(report) }, onFault: tellFault, heard: () => Atomics.load(heard, 0) })

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

function tell (): void {
  if (reports.length === 0) return
  port.postMessage(reports)
  reports = []
}

function tellFault (error: unknown): void {
  reports.push({ is: 'fault', what: error instanceof Error ? error.stack ?? error.message : String(error) })
}

function ownPort (): MessagePort {
  if (parentPort === null) throw new Error('not a thread')
  return parentPort
}
