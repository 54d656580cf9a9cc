/** Bodies of a bounded size. */

import { IssuerError } from './error.ts'

/** All of the body; rejects with `too-large` as soon as it is more than `most` bytes. */
export async function readBounded (body: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > most) throw new IssuerError('too-large', `more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
