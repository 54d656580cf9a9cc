/** What a connection of the soak does, known to both of its applications by its number alone. */

/**
 * How a connection goes, and who says what when.
 *
 * - `exchange`: both send and end at once; `request`: the server answers after the client's end, `server-first` the
 *   other way round: a direction goes on long after the other has ended.
 * - `chat`: small messages in turn; `idle`: nothing for a while in the middle.
 * - `slow-client`, `slow-server`: that one reads a little at a time.
 * - `empty`: opened and ended without a byte.
 * - `reset-by-…`: that one aborts in the middle; `reset-early`: the client does, right after it has connected.
 */
export const patterns = {
  'exchange': 30, 'request': 25, 'server-first': 10, 'chat': 6, 'slow-client': 2, 'slow-server': 2, 'idle': 4, 'empty': 6,
  'reset-by-client': 5, 'reset-by-server': 5, 'reset-early': 5,
} as const

export type Pattern = keyof typeof patterns
export type Party = 'client' | 'server'

export interface Plan {
  readonly id: number
  readonly pattern: Pattern
  /** How many bytes each sends. */
  readonly bytes: Readonly<Record<Party, number>>
  /** Who resets does so when it has received so many. */
  readonly cut: number
}

/** How it has to end for one of them. */
export type Due = 'clean' | 'reset' | 'anything'

/** Of one direction; the sizes below are spread evenly over their logarithms. */
const mostBytes: Partial<Readonly<Record<Pattern, number>>> = { 'slow-client': 2 ** 22, 'slow-server': 2 ** 22, 'chat': 2 ** 14, 'empty': 0 }

/** The same for the same numbers, everywhere. */
export function planOf (id: number, seed: number): Plan {
  const random = randoms(id, seed)
  const pattern = choose(random())
  const most = mostBytes[pattern] ?? 2 ** 18
  const size = (): number => most === 0 ? 0 : Math.floor(Math.exp(random() * Math.log(most)))
  const bytes = { client: size(), server: size() }
  return { id, pattern, bytes, cut: Math.max(1, Math.floor(random() * (pattern === 'reset-by-client' ? bytes.server : bytes.client))) }
}

export function dueOf ({ pattern }: Plan, party: Party): Due {
  if (!pattern.startsWith('reset')) return 'clean'
  return party === (pattern === 'reset-by-server' ? 'server' : 'client') ? 'anything' : 'reset'
}

function choose (at: number): Pattern {
  const entries = Object.entries(patterns) as Array<[Pattern, number]> // the keys of the table
  let left = at * entries.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [pattern, weight] of entries) if ((left -= weight) < 0) return pattern
  return 'exchange'
}

/** mulberry32, seeded by both numbers. */
function randoms (id: number, seed: number): () => number {
  let state = (Math.imul(id, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b)) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
