/**
 * Cuts a stream of characters into JSON documents, however they are laid out: one a line, one over many lines, or
 * several after each other. Only brackets and strings are looked at; what is inside is for JSON.parse.
 */

import { inputInvalid } from './error.ts'

export interface JsonText {
  readonly text: string
  /** Line on which it begins, from 1. */
  readonly line: number
}

export interface JsonSplitterOptions {
  /** A longer document is refused before it fills the memory. @default 64 Mi characters */
  readonly most?: number
}

/** Nobody nests deeper; JSON.parse and what comes after it are spared. */
const mostDepth = 500
/** Between documents: white space, a byte order mark, the record separator of RFC 7464. */
const between = /[ \t\r\n\uFEFF\u001E]*/y
const outsideStrings = /["{}[\]]/g
const insideStrings = /["\\]/g

export class JsonSplitter {
  readonly #most: number
  /** The parts of the document that is not complete yet. */
  #parts: string[] = []
  #length = 0
  #depth = 0
  #inString = false
  #escaped = false
  /** Line of the next character, and of the first one of the document. */
  #line = 1
  #firstLine = 1

  constructor ({ most = 64 * 1024 * 1024 }: JsonSplitterOptions = {}) {
    this.#most = most
  }

  /** The documents that `chunk` completes. Throws ToolError `input-invalid` for what can be no document. */
  push (chunk: string): JsonText[] {
    const found: JsonText[] = []
    for (let at = 0; at < chunk.length;) {
      const start = this.#depth === 0 ? this.#begin(chunk, at) : at
      at = this.#pass(chunk, start)
      this.#take(chunk.slice(start, at))
      if (this.#depth === 0 && this.#length > 0) found.push(this.#give())
    }
    return found
  }

  /** After the last chunk. Throws when a document is not complete. */
  end (): void {
    if (this.#depth > 0) throw inputInvalid(`line ${this.#firstLine}: the document that begins here has no end`)
  }

  /** Passes what is between documents; the place where one begins, or the end. */
  #begin (chunk: string, at: number): number {
    between.lastIndex = at
    between.exec(chunk)
    const start = between.lastIndex
    this.#line += newlinesIn(chunk.slice(at, start))
    this.#firstLine = this.#line
    if (start < chunk.length && !/[{[]/.test(chunk.charAt(start))) {
      throw inputInvalid(`line ${this.#line}: a JSON document is expected, not ${JSON.stringify(chunk.slice(start, start + 20))}`)
    }
    return start
  }

  /** The end of the document in this chunk, else the end of the chunk. */
  #pass (chunk: string, from: number): number {
    let at = from
    while (at < chunk.length) {
      if (this.#escaped) { this.#escaped = false; at++; continue }
      const pattern = this.#inString ? insideStrings : outsideStrings
      pattern.lastIndex = at
      const match = pattern.exec(chunk)
      if (match === null) return chunk.length
      at = match.index + 1
      this.#step(match[0])
      if (this.#depth === 0) return at
    }
    return at
  }

  #step (mark: string): void {
    if (mark === '\\') this.#escaped = true
    else if (mark === '"') this.#inString = !this.#inString
    else this.#depth += mark === '{' || mark === '[' ? 1 : -1
    if (this.#depth > mostDepth) throw inputInvalid(`line ${this.#firstLine}: a document that nests deeper than ${mostDepth}`)
  }

  #take (part: string): void {
    if (part === '') return
    this.#parts.push(part)
    this.#length += part.length
    this.#line += newlinesIn(part)
    if (this.#length > this.#most) throw inputInvalid(`line ${this.#firstLine}: a document of more than ${this.#most} characters`)
  }

  #give (): JsonText {
    const text = this.#parts.join('')
    this.#parts = []
    this.#length = 0
    return { text, line: this.#firstLine }
  }
}

function newlinesIn (text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** The documents of a stream, parsed, with their first line. Throws ToolError `input-invalid`. */
export async function * jsonDocuments (chunks: AsyncIterable<string>, options?: JsonSplitterOptions): AsyncGenerator<{ value: unknown, line: number }> {
  const splitter = new JsonSplitter(options)
  for await (const chunk of chunks) {
    for (const { text, line } of splitter.push(chunk)) yield { value: parseJson(text, line), line }
  }
  splitter.end()
}

function parseJson (text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw inputInvalid(`line ${line}: not JSON`, error)
  }
}
