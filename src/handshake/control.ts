/** Control frames one at a time, whatever carries them. */

import { FrameType, HandshakeError, decodeReset, decodeVerdict } from '../frames/index.ts'
import type { ControlType, Frame } from '../frames/index.ts'

export interface ControlChannel {
  /**
   * The payload of the next frame, which must be of type `type`. Rejects with HandshakeError: 'protocol-error' for
   * another type, 'refused-by-peer' for a verdict instead of a greeting, 'handshake-failed' when the peer is gone.
   */
  next (type: ControlType): Promise<Uint8Array>
  /** Sends a whole control frame; does nothing when the connection is gone. */
  send (frame: Uint8Array): void
  /**
   * Calls `listener` once, when a frame waits for `next` (its type), or the connection is gone (`undefined`); at once
   * when it is so already. Takes nothing. The result calls it off.
   */
  listen (listener: (type: FrameType | undefined) => void): () => void
  /** Another connection begins, after both directions of the last one have ended. */
  begin (): void
}

/** The payload of `frame` where `type` is due; throws what `ControlChannel.next` rejects with. */
export function expectFrame (frame: Frame, type: ControlType): Uint8Array {
  if (frame.type === FrameType.reset) {
    const { reason, detail } = decodeReset(frame.payload)
    throw new HandshakeError('handshake-failed', `peer-reset ${reason} ${detail}`.trim())
  }
  // A peer that does not trust us denies at once, in place of its greeting.
  if (frame.type === FrameType.verdict && type === FrameType.greeting) {
    const { accepted, reason } = decodeVerdict(frame.payload)
    if (!accepted) throw new HandshakeError('refused-by-peer', reason)
  }
  if (frame.type !== type) throw new HandshakeError('protocol-error', `frame of type ${frame.type} where ${type} is due`)
  return frame.payload
}
