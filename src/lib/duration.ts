/** Durations as people write them: `250ms`, `10s`, `5m`, `1h`, and sums such as `1h30m`. */

const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const

/** Milliseconds; `undefined` when the text is not a duration. A bare number is none: its unit would be a guess. */
export function parseDuration (text: string): number | undefined {
  const match = /^(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/.exec(text)
  if (match === null || text === '') return undefined
  const [, h = '0', m = '0', s = '0', ms = '0'] = match
  return Number(h) * units.h + Number(m) * units.m + Number(s) * units.s + Number(ms) * units.ms
}
