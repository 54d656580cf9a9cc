/** Places for connections: one busy or hostile pod can use up its own, never another's. */

export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly code = 'limit-reached'
}

export class Places {
  readonly #most: number
  #taken = 0

  constructor (most: number) {
    this.#most = most
  }

  get taken (): number { return this.#taken }

  /** Takes a place until it is disposed of; throws LimitError when there is none. */
  take (): Disposable {
    if (this.#taken >= this.#most) throw new LimitError(`${this.#most} connections are open`)
    this.#taken++
    let mine = true
    return { [Symbol.dispose]: () => { if (mine) { mine = false; this.#taken-- } } }
  }
}
