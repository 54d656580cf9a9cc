/** X.509 times (RFC 5280, 4.1.2.5): whole seconds, UTC; UTCTime until 2049, GeneralizedTime from 2050. */

import { contentOf, derText, tagOf, tags } from './der.ts'
import { IdentityError } from './error.ts'
import type { Der } from './der.ts'

const timePattern = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** Milliseconds since the epoch. */
export function readTime (node: Der): number {
  const short = tagOf(node) === tags.utcTime
  const text = Buffer.from(contentOf(node, short ? tags.utcTime : tags.generalizedTime)).toString('latin1')
  const full = short ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text
  const iso = full.replace(timePattern, '$1-$2-$3T$4:$5:$6.000Z')
  const ms = Date.parse(iso)
  // The way back finds a 30th of February, which the parser takes for a day in March.
  if (!timePattern.test(full) || Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw new IdentityError('malformed', 'not a time of RFC 5280')
  return ms
}

/** Fractions of a second are cut off. */
export function derTime (ms: number): Der {
  const text = new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z').replaceAll(/[-:T]/g, '')
  return Number(text.slice(0, 4)) < 2050 ? derText(tags.utcTime, text.slice(2)) : derText(tags.generalizedTime, text)
}
