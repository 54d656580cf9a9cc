/** Reads flow records for the tools. */

import { messageOf } from '../../lib/error.ts'
import { jsonDocuments, Observations, ToolError } from '../../tools/index.ts'
import type { ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

/** A record or a list of them, and where a person finds it. */
interface PlacedRecords {
  readonly value: unknown
  readonly place: string
}

/** Throws ToolError `input-invalid` naming the line, also when there is no record at all. */
export async function readRecords (file: string, context: ToolContext, parts: ToolParts): Promise<Observations> {
  return gatherRecords(placed(file, parts), file, context)
}

/** Throws ToolError `input-invalid` naming the place, also when there is no record in all of `from`. */
export async function gatherRecords (documents: AsyncIterable<PlacedRecords> | Iterable<PlacedRecords>, from: string, { unsignedLabels }: ToolContext): Promise<Observations> {
  const observations = new Observations(unsignedLabels)
  for await (const { value, place } of documents) {
    try {
      for (const record of Array.isArray(value) ? value as unknown[] : [value]) observations.add(record) // /flows answers a list
    } catch (error) {
      if (error instanceof ToolError) throw new ToolError(`${place}: ${messageOf(error)}`, { code: error.code })
      throw error
    }
  }
  if (observations.records === 0) throw new ToolError(`${from}: there is no record`, { code: 'input-invalid' })
  return observations
}

async function * placed (file: string, parts: ToolParts): AsyncIterable<PlacedRecords> {
  for await (const { value, line } of jsonDocuments(parts.read(file))) yield { value, place: `${file}: record on line ${line}` }
}
