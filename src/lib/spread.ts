/**
 * A delay by which one of many speaks, and the others hear it and need not.
 *
 * Most delays are long and few are short, so that of two and of two thousand speakers about one comes first (as receivers
 * of a multicast suppress each other's reports; J. Nonnenmacher and E. Biersack, Scalable feedback for large groups, 1999).
 */

/** How many speakers it is made for. */
const many = 1000

/** Between 0 and `mostMs`. */
export function spreadMs (mostMs: number, random: () => number): number {
  return mostMs * Math.log1p(random() * (many - 1)) / Math.log(many)
}
