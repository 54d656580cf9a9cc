/** The greetings of one end of a session differ in the flow id alone: whoever sends or expects many of them copies one. */

import { headerBytes } from './frames.ts'
import { greetingFlowIdAt } from './messages.ts'

export class GreetingPattern {
  readonly #bytes: Uint8Array

  /** `bytes` begins with a whole greeting frame; what follows it stays as it is. */
  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The bytes with this flow id. */
  with (flowId: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#bytes) // a Buffer's `slice` would not copy
    bytes.set(flowId, headerBytes + greetingFlowIdAt)
    return bytes
  }

  /** Whether `payload` is that of the greeting with this flow id. */
  matches (payload: Uint8Array, flowId: Uint8Array): boolean {
    return Buffer.compare(payload, this.with(flowId).subarray(headerBytes)) === 0
  }
}
