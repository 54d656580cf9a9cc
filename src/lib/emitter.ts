/** A typed set of listeners for one kind of event. A listener that throws does not keep the others from hearing. */

export type Unsubscribe = () => void

export class Emitter<T> {
  /** Made for the first one: of many things nobody ever wants to hear. */
  #listeners: Set<(event: T) => void> | undefined

  on (listener: (event: T) => void): Unsubscribe {
    const listeners = this.#listeners ??= new Set()
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }

  /** Tells every listener; the first error is thrown after all have heard. */
  emit (event: T): void {
    const errors: unknown[] = []
    for (const listener of [...this.#listeners ?? []]) {
      try { listener(event) } catch (error) { errors.push(error) }
    }
    if (errors.length > 0) throw errors[0]
  }
}
