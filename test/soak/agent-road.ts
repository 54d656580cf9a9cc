/** A road through two whole agents: captured, proven, judged, recorded, and with sessions that carry one connection after another. */

import { openWorld } from '../fixtures/world.ts'
import type { World } from '../fixtures/world.ts'
import type { Transport } from '../../src/relay/index.ts'

/** Ends that are the applications' own, or the plan's. */
const expected = new Set(['completed', 'reset-by-client', 'reset-by-server', 'upstream-refused', 'closed-by-peer'])

export class AgentRoad implements AsyncDisposable {
  readonly #world: World

  private constructor (world: World) {
    this.#world = world
  }

  /** Takes over the transports. `fails` hears of ends that nobody has asked for. */
  static async open (transports: { readonly client: Transport, readonly server: Transport }, application: number, fails: (what: string) => void): Promise<AgentRoad> {
    const world = await openWorld({ transports, lends: true, records: 100 })
    world.server.application = { port: application }
    for (const { node: { recorder } } of [world.client, world.server]) {
      recorder.onEnd(({ record: { direction, outcome, detail } }) => { if (!expected.has(outcome)) fails(`${direction}: ${outcome} ${detail}`) })
    }
    return new AgentRoad(world)
  }

  /** Where the client application dials. */
  get port (): number { return this.#world.client.outboundPort }

  /** How many connections are registered, at both ends. */
  get open (): number { return [this.#world.client, this.#world.server].reduce((sum, { node }) => sum + node.registry.size, 0) }

  /** Ends the sessions that rest. */
  rest (): void {
    for (const { node, pod } of [this.#world.client, this.#world.server]) node.idle.drop(pod)
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.#world[Symbol.asyncDispose]() }
}
