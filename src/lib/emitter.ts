/** A typed set of listeners for one kind of event. A listener that throws does not keep the others from hearing. */

export type Unsubscribe = () => void

type Listener<T> = (event: T) => void

export class Emitter<T> {
  /** A set for the second one: of what there are thousands of, each has one listener or none. */
  #listeners: Listener<T> | Set<Listener<T>> | undefined

  on (listener: Listener<T>): Unsubscribe {
    if (this.#listeners === undefined) this.#listeners = listener
    else if (this.#listeners instanceof Set) this.#listeners.add(listener)
    else this.#listeners = new Set([this.#listeners, listener])
    return () => { this.#off(listener) }
  }

  /** Tells every listener; the first error is thrown after all have heard. */
  emit (event: T): void {
    const errors: unknown[] = []
    for (const listener of this.#all()) {
      try { listener(event) } catch (error) { errors.push(error) }
    }
    if (errors.length > 0) throw errors[0]
  }

  #all (): Iterable<Listener<T>> {
    if (this.#listeners === undefined) return []
    return this.#listeners instanceof Set ? [...this.#listeners] : [this.#listeners]
  }

  #off (listener: Listener<T>): void {
    if (this.#listeners instanceof Set) this.#listeners.delete(listener)
    else if (this.#listeners === listener) this.#listeners = undefined
  }
}
