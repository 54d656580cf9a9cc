/** Looking for a number that nobody has, so that those who look at once seldom meet. */

/**
 * A number of the range, both ends included, for which `taken` says no; `undefined` when there is none. `random` is
 * uniform in [0, 1); the search begins there and goes upwards round the range.
 */
export function firstFree ({ low, high }: { readonly low: number, readonly high: number }, taken: (number: number) => boolean, random: number): number | undefined {
  const count = high - low + 1
  const start = Math.floor(random * count)
  for (let i = 0; i < count; i++) {
    const number = low + (start + i) % count
    if (!taken(number)) return number
  }
  return undefined
}
