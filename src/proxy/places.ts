/** Places for connections: one busy or hostile pod can use up its own, never another's. */

export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly code = 'limit-reached'
}

/** One that is taken. A class, as all that is made for each connection: an object literal with a symbol for a key costs a call of V8's runtime. */
class Place implements Disposable {
  readonly #give: () => void
  #isMine = true

  constructor (give: () => void) {
    this.#give = give
  }

  [Symbol.dispose] (): void {
    if (!this.#isMine) return
    this.#isMine = false
    this.#give()
  }
}

export class Places {
  readonly #most: number
  readonly #give = (): void => { this.#taken-- }
  #taken = 0

  constructor (most: number) {
    this.#most = most
  }

  get taken (): number { return this.#taken }

  /** As `take`, for a connection that is there already: counted, and never refused. */
  occupy (): Disposable {
    this.#taken++
    return new Place(this.#give)
  }

  /** Takes a place until it is disposed of; throws LimitError when there is none. */
  take (): Disposable {
    if (this.#taken >= this.#most) throw new LimitError(`${this.#most} connections are open`)
    return this.occupy()
  }
}
