/** Work of which only so much may be under way at once. */

/** Lets a few do something at a time; the others wait for their turn, first come first served. */
export class Turns {
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor (most: number) {
    this.#free = most
  }

  /** Settles as `task` does, which begins when its turn comes. */
  async take<T> (task: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    else this.#free--
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next() // the place goes over from one to the other
    }
  }
}
