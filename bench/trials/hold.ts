/**
 * Opens connections, carries one request on each, says how many are open, and holds them until its input ends.
 *
 * usage: node hold.ts HOST PORT COUNT
 */

import { connect } from 'node:net'

const [host = '', port = '0', count = '0'] = process.argv.slice(2)
/** Dialled at once: below the queues of everybody on the way. */
const atOnce = 64
const withinMs = 5000
const lastMs = 30_000

const request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`

function open (): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port), timeout: withinMs })
    socket.on('connect', () => { socket.write(request) })
    socket.on('data', () => { socket.setTimeout(0); resolve(true) })
    socket.on('timeout', () => { socket.destroy() })
    socket.on('error', () => {})
    socket.on('close', () => { resolve(false) })
  })
}

async function openInTurn (counter: { left: number, open: number }): Promise<void> {
  while (counter.left-- > 0) if (await open()) counter.open++
}

process.stdin.on('end', () => { process.exit(0) }).resume()
const counter = { left: Number(count), open: 0 }
await Promise.race([
  Promise.all(Array.from({ length: atOnce }, async () => openInTurn(counter))),
  new Promise(resolve => setTimeout(resolve, lastMs)),
])
process.stdout.write(`${counter.open}\n`)
