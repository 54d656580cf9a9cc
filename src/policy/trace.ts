/**
 * Why something did not match.
 *
 * Matching functions take an optional trace and end with `return trace?.no(`…`) ?? false`: without a trace the text
 * is never built, and with one the answer is the same, because it is the same line.
 */
export class Trace {
  #whys: string[] = []

  /** Notes a reason; always false. */
  no (why: string): false {
    this.#whys.push(why)
    return false
  }

  /** The reasons since the last call; those of alternatives are joined, at most three of them. */
  take (): string {
    const whys = [...new Set(this.#whys)]
    this.#whys = []
    return whys.length > 3 ? `${whys.slice(0, 3).join('; ')}; and ${whys.length - 3} more` : whys.join('; ')
  }
}
