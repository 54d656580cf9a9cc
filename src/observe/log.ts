/**
 * The agent's log: JSON lines, constant messages plus fields.
 *
 * A message never contains a value, so that it can be counted and searched; values are fields. Secrets cannot get
 * in: private keys are `KeyObject`s, which print as nothing, and `clean` is the second fence.
 */

import { pino } from 'pino'
import { codeOf, messageOf } from '../lib/error.ts'
import type { LineSink } from './sink.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Fields of a line. An `Error` becomes `{message, code}` with its causes in the message; the stack only at level error. */
export type LogFields = Readonly<Record<string, unknown>>

/** What the rest of the agent sees of the log. Messages are lower case, constant, without a final period. */
export interface Log {
  debug (message: string, fields?: LogFields): void
  info (message: string, fields?: LogFields): void
  warn (message: string, fields?: LogFields): void
  error (message: string, fields?: LogFields): void
  /** A log whose lines all carry `fields` too. */
  child (fields: LogFields): Log
}

export interface LogOptions {
  /** @default 'info' */
  readonly level?: LogLevel
  /** On every line, e.g. the node's name. */
  readonly fields?: LogFields
}

/** The log over a sink. Lines that the sink drops are lost; see its counter. */
export function createLog (sink: LineSink, { level = 'info', fields = {} }: LogOptions = {}): Log {
  return wrap(pino({
    level,
    base: clean(fields),
    timestamp: pino.stdTimeFunctions.isoTime,
    messageKey: 'message',
    formatters: { level: label => ({ level: label }) },
  }, sink))
}

/** A log that says nothing. */
export const silentLog: Log = {
  debug () {}, info () {}, warn () {}, error () {},
  child: () => silentLog,
}

function wrap (logger: pino.Logger): Log {
  return {
    debug (message, fields = {}) { if (logger.isLevelEnabled('debug')) logger.debug(clean(fields), message) },
    info (message, fields = {}) { if (logger.isLevelEnabled('info')) logger.info(clean(fields), message) },
    warn (message, fields = {}) { if (logger.isLevelEnabled('warn')) logger.warn(clean(fields), message) },
    error (message, fields = {}) { logger.error(clean(fields), message) },
    child: fields => wrap(logger.child(clean(fields))),
  }
}

const secretName = /private.?key|secret|password|token|authorization|passphrase/i
const secretText = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g
/** Deeper than this nothing is printed: a log line is no dump. */
const deepest = 6

/** The fields as plain JSON values, with secrets taken out. */
function clean (fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cleanValue(name, value, 0)]))
}

function cleanValue (name: string, value: unknown, depth: number): unknown {
  if (secretName.test(name)) return '[secret]'
  if (typeof value === 'string') return value.replace(secretText, '[secret]')
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return '[deep]'
  if (value instanceof Error) return cleanValue('', { message: messageOf(value), code: codeOf(value) ?? value.name, stack: value.stack }, depth + 1)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) return value.map(item => cleanValue('', item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cleanValue(key, item, depth + 1)]))
}
