/** A client's lent sessions that rest, by where connections like theirs are accepted; the last one is taken first. */

import type { Loan } from './loan.ts'

export class Shelf {
  readonly #stacks = new Map<string, Loan[]>()

  put (loan: Loan): void {
    if (loan.place === undefined) return
    const stack = this.#stacks.get(loan.place)
    if (stack === undefined) this.#stacks.set(loan.place, [loan])
    else stack.push(loan)
  }

  /** Does nothing where it is not there. */
  remove (loan: Loan): void {
    if (loan.place === undefined) return
    const stack = this.#stacks.get(loan.place)
    const at = stack?.lastIndexOf(loan) ?? -1
    if (at >= 0) stack?.splice(at, 1)
    if (stack?.length === 0) this.#stacks.delete(loan.place)
  }

  /** The one to be taken next; it stays. */
  last (place: string): Loan | undefined { return this.#stacks.get(place)?.at(-1) }

  /** Those that take what `loan` would take. */
  like ({ place = '' }: Loan): readonly Loan[] { return [...this.#stacks.get(place) ?? []] }

  get isEmpty (): boolean { return this.#stacks.size === 0 }

  clear (): void { this.#stacks.clear() }
}
