/** Whether a soak has gone well: what may not grow, and by how much it may seem to. */

import type { Look, SoakResult } from './soak.ts'

/** Empty pools may be filled further by a busier moment than any before: pipes that are kept, and write buffers (see their `mostKept`). */
const poolRoom: Readonly<Record<string, number>> = { pipe: 32, 'write buffer': 16, descriptor: 64 }
/** Resident memory is the allocator's, too: it settles, and does not go on. */
const residentRoom = { factor: 1.15, mb: 24 }

/** What was wrong, in words; empty when all was well. The first look is taken as warm. */
export function complaintsAbout ({ faultCount, looks, left }: SoakResult): string[] {
  const [first] = looks
  const last = looks.at(-1)
  const complaints = faultCount > 0 ? [`${faultCount} connections did not go as planned`] : []
  for (const [kind, count] of Object.entries(left)) complaints.push(`${count} x ${kind} left at the end`)
  if (first === undefined || last === undefined) return [...complaints, 'nothing was looked at']
  return [...complaints, ...growth(first, last), ...Object.entries(last.failures).map(([what, count]) => `${count} x ${what}`).filter(what => !isOfReset(what))]
}

function growth (first: Look, last: Look): string[] {
  const grown = Object.entries(last.counts)
    .filter(([kind, count]) => count > (first.counts[kind] ?? 0) + (poolRoom[kind] ?? 0))
    .map(([kind, count]) => `${kind}: from ${first.counts[kind] ?? 0} to ${count}`)
  if (last.descriptors > first.descriptors + 64) grown.push(`descriptors: from ${first.descriptors} to ${last.descriptors}`)
  if (last.residentMb > first.residentMb * residentRoom.factor + residentRoom.mb) grown.push(`resident memory: from ${first.residentMb.toFixed(0)} to ${last.residentMb.toFixed(0)} MB`)
  return grown
}

/** A client that resets early may do so before its connection is forwarded. */
function isOfReset (failure: string): boolean {
  return /ECONNRESET|peer-closed|peer-reset|closed|EPIPE/.test(failure)
}
