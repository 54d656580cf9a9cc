/**
 * Reading sockets without a fresh buffer for every read.
 *
 * Node makes a new ArrayBuffer for each chunk of a `data` event. At some hundred megabytes a second V8 then collects
 * garbage all the time, because that memory counts against its limits: it was a quarter of the CPU time of an agent.
 * `net.Socket` can read into a buffer of its user (`onread`), but takes that option only in its constructor, and
 * TLS sockets over a connected socket not at all. So we set what that option sets; the names are Node's own (lib/net.js).
 */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** What one read may bring, bytes: the payload of the largest frame between agents. */
const readBytes = 256 * 1024

/**
 * One for the whole process: a read fills it and calls back before anything else runs, and whoever is called has copied
 * the bytes when it returns.
 */
const shared = Buffer.allocUnsafeSlow(readBytes)

const names = ['kBuffer', 'kBufferCb', 'kBufferGen'] as const
const symbols = symbolsOf(new Socket())

interface Readable { readonly useUserBuffer: (buffer: Uint8Array) => void }

/**
 * From now on every read of `stream` calls `onBytes`, with bytes that are valid during the call only; what the stream
 * has read before still comes as `data`. Returns false, having done nothing, when the stream is no socket of Node's
 * or this Node names its insides differently: then everything comes as `data`.
 */
export function readShared (stream: Duplex, onBytes: (bytes: Uint8Array) => void): boolean {
  const handle = handleOf(stream)
  if (symbols === undefined || handle === undefined) return false
  const [buffer, callback, generator] = symbols
  Object.assign(stream, {
    [buffer]: shared,
    [callback]: (count: number) => { onBytes(shared.subarray(0, count)) },
    [generator]: null,
  })
  handle.useUserBuffer(shared)
  return true
}

/** The symbols under which Node keeps the option; `undefined` when one is not there. */
function symbolsOf (socket: Socket): readonly [symbol, symbol, symbol] | undefined {
  const own = Object.getOwnPropertySymbols(socket)
  const [buffer, callback, generator] = names.map(name => own.find(({ description }) => description === name))
  return buffer === undefined || callback === undefined || generator === undefined ? undefined : [buffer, callback, generator]
}

/** Node documents no way to the handle; it is looked at before it is believed. */
function handleOf (stream: Duplex): Readable | undefined {
  if (!(stream instanceof Socket) || !('_handle' in stream)) return undefined
  const handle = stream._handle as Partial<Readable> | null // whatever it is, the next line asks it
  return typeof handle?.useUserBuffer === 'function' ? handle as Readable : undefined
}
