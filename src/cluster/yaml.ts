/** YAML with line numbers, so that a message about a value can say where it stands. */

import { readFileSync, statSync } from 'node:fs'
import { isMap, isNode, isScalar, LineCounter, parseAllDocuments } from 'yaml'
import { ClusterError } from './error.ts'
import type { Document } from 'yaml'

/** Keys and indices from the top of a document down to a value. */
export type YamlPath = readonly (string | number)[]

export interface YamlDocument {
  /** Plain data: objects, arrays, strings, numbers, booleans, null. */
  readonly value: unknown
  /** Line (from 1) of the key or item at `path`; of the nearest thing above it that is there. */
  lineOf (path: YamlPath): number
}

/** Files larger than this are refused: a mistake, or an attempt to make us swap. */
const mostBytes = 8 * 1024 * 1024

/** Reads a plain file as text. Throws ClusterError `file-unreadable`; never blocks on a pipe or a device. */
export function readTextFile (file: string): string {
  let problem = ''
  let cause: unknown
  try {
    const { size, isPlain } = plainFile(file)
    if (isPlain && size <= mostBytes) return readFileSync(file, 'utf8')
    problem = isPlain ? `is ${size} bytes long; at most ${mostBytes} are read` : 'is not a plain file'
  } catch (error) {
    problem = 'cannot be read'
    cause = error
  }
  throw new ClusterError(`${file}: ${problem}`, { code: 'file-unreadable', cause })
}

/** All documents of a text; empty ones are left out. Throws ClusterError `yaml-invalid` with file, line and column. */
export function parseYaml (text: string, file: string): YamlDocument[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  // An empty text gives an array-like that is empty; anything else gives real documents.
  return [...documents].flatMap(document => {
    const [error] = document.errors
    if (error !== undefined) throw invalid(file, lines, error.pos[0], error.message)
    const value = plainValue(document, file)
    return value === null ? [] : [{ value, lineOf: path => lines.linePos(offsetOf(document, path)).line }]
  })
}

function plainFile (file: string): { size: number, isPlain: boolean } {
  const stat = statSync(file)
  return { size: stat.size, isPlain: stat.isFile() }
}

function plainValue (document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new ClusterError(`${file}: aliases are nested too deeply or lead nowhere`, { code: 'yaml-invalid', cause: error })
  }
}

function invalid (file: string, lines: LineCounter, offset: number, message: string): ClusterError {
  const { line, col } = lines.linePos(offset)
  return new ClusterError(`${file}:${line}:${col}: not YAML: ${message}`, { code: 'yaml-invalid' })
}

/** Offset of the key (in a map) or item (in a list) at `path`, or of the deepest part of the path that is there. */
function offsetOf (document: Document, path: YamlPath): number {
  let offset = startOf(document.contents) ?? 0
  for (let depth = 1; depth <= path.length; depth++) {
    const parent = document.getIn(path.slice(0, depth - 1), true)
    const pair = isMap(parent) ? parent.items.find(item => isScalar(item.key) && String(item.key.value) === String(path[depth - 1])) : undefined
    const found = startOf(pair?.key) ?? startOf(document.getIn(path.slice(0, depth), true))
    if (found === undefined) break
    offset = found
  }
  return offset
}

function startOf (node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}
