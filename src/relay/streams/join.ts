/**
 * Joins two legs until both directions have ended.
 *
 * At most one chunk a direction is held beyond what the streams buffer: a slow reader pauses its writer, and
 * nobody else. The end of a direction and an abort pass through as what they are.
 */

import type { ResetReason } from '../../handshake/index.ts'
import type { Abort, Ending, Meter, Revocable, Revocation, Side } from '../ending.ts'
import type { Leg, LegSink } from './leg.ts'

/** Resolves once, when the connection is over; never rejects. */
export function join (client: Leg, server: Leg, meter: Meter, revocable: Revocable): Promise<Ending> {
  return new Promise(resolve => {
    let over = false
    // Each direction is over when its end was heard here and has been handed to the kernel there.
    let open = 4
    const closeOne = (): void => {
      if (--open === 0) finish({ kind: 'completed' }, leg => { leg.conclude() })
    }
    const finish = (ending: Ending, how: (leg: Leg) => void): void => {
      if (over) return
      over = true
      revocable.onRevoked = undefined
      how(client)
      how(server)
      resolve(ending)
    }
    const onRevoked = (revocation: Revocation): void => {
      finish({ kind: 'revoked', revocation }, leg => { leg.abort(revocation.code, revocation.message) })
    }
    const sink = (by: Side, from: Leg, to: Leg): LegSink => ({
      onData: chunk => {
        if (over) return
        meter(by, chunk.length)
        if (!to.write(chunk)) from.pause()
      },
      onEnd: () => {
        if (over) return
        to.end()
        closeOne()
      },
      onFinish: closeOne,
      onDrain: () => { to.resume() },
      onAbort: abort => {
        const { reason, detail } = resetFor(abort)
        finish({ kind: 'aborted', by, abort }, leg => { leg.abort(reason, detail) })
      },
    })
    if (revocable.why !== undefined) { onRevoked(revocable.why); return }
    revocable.onRevoked = onRevoked
    client.start(sink('client', client, server))
    if (!over) server.start(sink('server', server, client))
  })
}

/** What the leg that is still alive is told. */
function resetFor (abort: Abort): { readonly reason: ResetReason, readonly detail: string } {
  return abort.kind === 'told'
    ? { reason: abort.reason, detail: abort.detail }
    : { reason: 'reset-by-application', detail: abort.kind === 'reset' ? abort.detail : '' }
}
