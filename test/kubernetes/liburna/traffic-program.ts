/**
 * A program that runs in pods, as text on the command line of the image's Node; it imports nothing of ours.
 *
 * usage: serve PORT | call HOST:PORT PAUSE_MS
 *
 * `serve` echoes. `call` begins a connection every PAUSE_MS, whatever became of those before, and keeps one for good. It writes
 * a line of JSON when a result differs from the one before, and one each second with sums; `traffic.ts` reads them.
 */

import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

const [role = '', place = '', pause = ''] = process.argv.slice(1)
/** A connection that is held for longer than this has failed; TCP itself is as patient as that. */
const patienceMs = 60_000

const sums = { begun: 0, ok: 0, failed: 0, slowestMs: 0 }
const last = { new: '', live: '' }

function tell (kind: 'new' | 'live', result: string, beganMs: number): void {
  if (last[kind] === result) return
  last[kind] = result
  console.log(JSON.stringify({ at: Date.now(), beganAt: beganMs, kind, result }))
}

/** Resolves with `ok` once a byte has come back, else with why it has not. */
async function roundTrip (socket: Socket): Promise<string> {
  // It may have ended between two rounds, and tells nobody twice.
  if (socket.destroyed || socket.readableEnded) return 'closed'
  const { promise, resolve } = Promise.withResolvers<string>()
  const codeOf = (error: Error): string => 'code' in error ? String(error.code) : 'error'
  const listeners = {
    data: () => { resolve('ok') },
    error: (error: Error) => { resolve(codeOf(error)) },
    close: () => { resolve('closed') },
    timeout: () => { resolve('ETIMEDOUT') },
  }
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener)
  socket.setTimeout(patienceMs)
  socket.write('x', error => { if (error != null) resolve(codeOf(error)) })
  const result = await promise
  for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener)
  socket.setTimeout(0)
  return result
}

function dial (): Socket {
  const [host = '', port = ''] = place.split(':')
  return connect({ host, port: Number(port), noDelay: true }).on('error', () => {})
}

async function callOnce (): Promise<void> {
  const began = Date.now()
  sums.begun++
  const socket = dial()
  const result = await roundTrip(socket)
  socket.destroy()
  if (result === 'ok') sums.ok++
  else sums.failed++
  sums.slowestMs = Math.max(sums.slowestMs, Date.now() - began)
  tell('new', result, began)
}

/** One connection for as long as it lives, then another. */
async function keepOne (): Promise<never> {
  for (;;) {
    const began = Date.now()
    const socket = dial()
    for (let result = await roundTrip(socket); ; result = await roundTrip(socket)) {
      tell('live', result, began)
      if (result !== 'ok') break
      await later()
    }
    socket.destroy()
    await later()
  }
}

async function later (): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, Number(pause)))
}

if (role === 'serve') {
  createServer(socket => { socket.on('error', () => {}).pipe(socket) }).listen(Number(place))
} else {
  setInterval(() => { void callOnce() }, Number(pause))
  setInterval(() => { console.log(JSON.stringify({ at: Date.now(), kind: 'sum', ...sums })) }, 1000)
  void keepOne()
}
process.on('SIGTERM', () => { process.exit(0) })
