/** A forwarded connection: two lanes, until both are done or one of the legs breaks. */

import { encodeReset } from '../../../frames/index.ts'
import { Lane } from './lane.ts'
import { received } from './leg.ts'
import type { Side } from '../../ending.ts'
import type { ThreadEnding } from '../protocol.ts'
import type { Chunks } from './chunk.ts'
import type { Failure, Leg } from './leg.ts'
import type { Loop, Task } from './loop.ts'
import type { Pipes } from './pipes.ts'

export interface PumpParts {
  readonly client: Leg
  readonly server: Leg
  readonly loop: Loop
  readonly chunks: Chunks
  readonly pipes: Pipes
  /** Called after each turn that has moved bytes. */
  onMoved (pump: Pump): void
  /** Called once, when it has ended by itself. */
  onEnd (ending: ThreadEnding): void
}

export class Pump implements Task {
  readonly #parts: PumpParts
  readonly #fromClient: Lane
  readonly #fromServer: Lane
  #over = false

  constructor (parts: PumpParts) {
    this.#parts = parts
    const { client, server } = parts
    this.#fromClient = new Lane({ ...parts, from: client, to: server })
    this.#fromServer = new Lane({ ...parts, from: server, to: client })
    parts.loop.assign(client.wire, this)
    parts.loop.assign(server.wire, this)
  }

  /** Bytes since the last call. */
  takeMoved (): { readonly fromClient: number, readonly fromServer: number } {
    const moved = { fromClient: this.#fromClient.moved, fromServer: this.#fromServer.moved }
    this.#fromClient.moved = 0
    this.#fromServer.moved = 0
    return moved
  }

  run (): boolean {
    if (this.#over) return false
    const first = this.#fromClient.turn()
    // A lane that ran after a failure would take the end of the broken connection for an orderly one.
    const second = first === 'failed' ? 'failed' : this.#fromServer.turn()
    this.#parts.client.settle()
    this.#parts.server.settle()
    if (this.#fromClient.moved + this.#fromServer.moved > 0) this.#parts.onMoved(this)
    const again = first === 'again' || second === 'again'
    if (second === 'failed' || !this.#watch(again)) { this.#fail(); return false }
    if (this.#fromClient.done && this.#fromServer.done) { this.#conclude(leg => { leg.conclude() }, { kind: 'completed' }); return false }
    return again
  }

  crash (): void {
    this.#conclude(leg => { leg.abort(encodeReset('internal-error', '')) }, { kind: 'reset', by: 'client', detail: 'internal-error' })
  }

  /** Ends it from outside; `onEnd` is not called. */
  abort (frame: Uint8Array | undefined): void {
    this.#conclude(leg => { leg.abort(frame) }, undefined)
  }

  /** Looks for an end that no lane runs into; false when there is one. */
  #watch (isMoving: boolean): boolean {
    const { client, server } = this.#parts
    return this.#isSound(client, this.#fromClient, this.#fromServer, isMoving) && this.#isSound(server, this.#fromServer, this.#fromClient, isMoving)
  }

  #isSound (leg: Leg, from: Lane, to: Lane, isMoving: boolean): boolean {
    if (from.over && to.done) return true // how it ends now concerns nobody
    if (from.over && leg.watch() === received.failed) return false
    // As long as bytes move, those that came before the reset are still on their way.
    if (leg.wire.failed && !isMoving) leg.lose()
    return leg.failure === undefined
  }

  #fail (): void {
    const { client, server } = this.#parts
    const by: Side = client.failure !== undefined ? 'client' : 'server'
    const failure: Failure = (by === 'client' ? client : server).failure ?? { kind: 'reset', detail: 'unknown' }
    const frame = failure.kind === 'reset' ? encodeReset('reset-by-application', failure.detail) : undefined
    this.#conclude(leg => { leg.abort(frame) }, failure.kind === 'reset' ? { kind: 'reset', by, detail: failure.detail } : { kind: 'told', by, payload: failure.payload })
  }

  /** Ends both legs by `how`, the client first, and tells `ending`; all of it, also where a part throws. Once. */
  #conclude (how: (leg: Leg) => void, ending: ThreadEnding | undefined): void {
    if (this.#over) return
    this.#over = true
    const { client, server, onEnd } = this.#parts
    using last = new DisposableStack()
    last.defer(() => { if (ending !== undefined) onEnd(ending) })
    last.defer(() => { how(server) })
    last.defer(() => { how(client) })
    last.defer(() => { this.#fromServer.close() })
    last.defer(() => { this.#fromClient.close() })
  }
}
