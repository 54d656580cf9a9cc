/** Reads flow records for the tools. */

import { messageOf } from '../../lib/error.ts'
import { jsonDocuments, Observations, ToolError } from '../../tools/index.ts'
import type { ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

/** Throws ToolError `input-invalid` naming the line, also when there is no record at all. */
export async function readRecords (file: string, { unsignedLabels }: ToolContext, parts: ToolParts): Promise<Observations> {
  const observations = new Observations(unsignedLabels)
  for await (const { value, line } of jsonDocuments(parts.read(file))) {
    try {
      for (const record of Array.isArray(value) ? value as unknown[] : [value]) observations.add(record) // /flows answers a list
    } catch (error) {
      if (error instanceof ToolError) throw new ToolError(`${file}: record on line ${line}: ${messageOf(error)}`, { code: error.code })
      throw error
    }
  }
  if (observations.records === 0) throw new ToolError(`${file}: there is no record`, { code: 'input-invalid' })
  return observations
}
