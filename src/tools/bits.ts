/** Sets of small numbers, as bits: what is asked of thousands of pairs is asked of whole words of them. */

export type Bits = Uint32Array

export function emptyBits (size: number): Bits {
  return new Uint32Array(Math.ceil(size / 32))
}

/** The set of all numbers below `size` that `holds` says yes to. */
export function bitsWhere (size: number, holds: (i: number) => boolean): Bits {
  const bits = emptyBits(size)
  for (let i = 0; i < size; i++) if (holds(i)) setBit(bits, i)
  return bits
}

export function setBit (bits: Bits, i: number): void {
  const at = i >>> 5
  bits[at] = ((bits[at] ?? 0) | (1 << (i & 31))) >>> 0
}

export function hasBit (bits: Bits, i: number): boolean {
  return ((bits[i >>> 5] ?? 0) >>> (i & 31) & 1) === 1
}

export function and (a: Bits, b: Bits): Bits { return a.map((word, i) => word & (b[i] ?? 0)) }
export function or (a: Bits, b: Bits): Bits { return a.map((word, i) => word | (b[i] ?? 0)) }
/** What is in `a` and not in `b`. */
export function without (a: Bits, b: Bits): Bits { return a.map((word, i) => word & ~(b[i] ?? 0)) }
export function isEmpty (bits: Bits): boolean { return bits.every(word => word === 0) }

/** Adds all of `more` to `bits`. */
export function addBits (bits: Bits, more: Bits): void {
  for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] ?? 0) | (more[i] ?? 0)
}

/** The numbers of the set, ascending. */
export function membersOf (bits: Bits): number[] {
  const members: number[] = []
  for (let at = 0; at < bits.length; at++) {
    for (let word = bits[at] ?? 0; word !== 0; word &= word - 1) members.push(at * 32 + 31 - Math.clz32(word & -word))
  }
  return members
}

/** The smallest number of the set; -1 for none. */
export function firstOf (bits: Bits): number {
  const at = bits.findIndex(word => word !== 0)
  const word = bits[at] ?? 0
  return at < 0 ? -1 : at * 32 + 31 - Math.clz32(word & -word)
}

/** Cuts each class into what is in `bits` and what is not; classes are never empty. */
export function refine (classes: readonly Bits[], bits: Bits): Bits[] {
  return classes.flatMap(one => {
    const inside = and(one, bits)
    if (isEmpty(inside)) return [one]
    const outside = without(one, bits)
    return isEmpty(outside) ? [one] : [inside, outside]
  })
}
