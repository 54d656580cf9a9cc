/**
 * Ready by name: what the agent still waits for, so that `/readyz` can say it.
 *
 * A condition that is not met makes the agent unready. A trouble (say a policy file that cannot be read, while its
 * last good state stays enforced) is told beside it, but the agent stays ready: pulling a node out of service for
 * one typing mistake would turn a small fault into a large one.
 */

export interface Condition {
  readonly name: string
  readonly detail: string
}

/** Sorted by name, so that two of them can be compared. */
export interface ReadinessStatus {
  readonly ready: boolean
  readonly awaited: readonly Condition[]
  readonly troubles: readonly Condition[]
}

export class Readiness {
  readonly #awaited = new Map<string, string>()
  readonly #troubles = new Map<string, string>()

  /** The agent is not ready until `met(name)`. Says it anew when it was met before. */
  awaits (name: string, detail = ''): void {
    this.#awaited.set(name, detail)
  }

  /** The condition is fulfilled, or is no longer asked for. */
  met (name: string): void {
    this.#awaited.delete(name)
  }

  /** Something is wrong that does not make the agent unready; the same name again replaces the detail. */
  trouble (name: string, detail: string): void {
    this.#troubles.set(name, detail)
  }

  /** The trouble is over. */
  settled (name: string): void {
    this.#troubles.delete(name)
  }

  status (): ReadinessStatus {
    return { ready: this.#awaited.size === 0, awaited: sorted(this.#awaited), troubles: sorted(this.#troubles) }
  }
}

function sorted (conditions: ReadonlyMap<string, string>): Condition[] {
  return [...conditions].map(([name, detail]) => ({ name, detail })).sort((a, b) => a.name < b.name ? -1 : 1)
}
