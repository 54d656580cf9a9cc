/** A forwarded connection, seen from the main thread: what the relay thread leaves to judgement, and the ending. */

import { FrameType, decodeCertificate, decodeReset, decodeVerdict, encodeReset } from '../../frames/index.ts'
import { codeOf, messageOf } from '../../lib/error.ts'
import { nameOfErrno } from '../../sys/index.ts'
import { NativeChannel } from './channel.ts'
import { NativeConnection } from './connection.ts'
import type { Session } from '../../handshake/index.ts'
import type { Frame } from '../../frames/index.ts'
import type { Abort, Ending, Meter, Revocable, Revocation } from '../ending.ts'
import type { End } from '../transport.ts'
import type { ConnectionId, ThreadEnding } from './protocol.ts'
import type { RelayThread } from './thread.ts'

/** What a thread knows an end by. */
interface Handle {
  readonly id: ConnectionId
  readonly thread: RelayThread
  readonly session: { readonly of: Session, readonly channel: NativeChannel } | undefined
}

/**
 * Resolves once, when it is over; never rejects. Throws for ends of another transport. Not an async function, nor are those
 * that call it when they only pass it on: each would keep half a kilobyte as long as the connection.
 */
export function forward (client: End, server: End, meter: Meter, revocable: Revocable): Promise<Ending> {
  const ends = { client: handleOf(client), server: handleOf(server) }
  const { id, thread } = ends.client
  if (thread !== ends.server.thread) throw new TypeError('the two ends are in different threads')
  if (revocable.why !== undefined) return Promise.resolve(refuse(client, server, revocable.why))
  take(client)
  take(server)
  const { session } = ends.client.session === undefined ? ends.server : ends.client
  const mode = session?.of.mode ?? 'encrypt'
  return new Promise(resolve => {
    let why: Ending | undefined
    /** Ends it for our own reason; the thread answers with the last counts. */
    const end = (ending: Ending, frame?: Uint8Array): void => {
      if (why !== undefined) return
      why = ending
      thread.post({ op: 'abort', client: id, ...frame !== undefined && { frame } })
    }
    thread.forwards.set(id, report => {
      if (report.fromClient > 0) meter('client', report.fromClient)
      if (report.fromServer > 0) meter('server', report.fromServer)
      if (report.is !== 'ended') return
      revocable.onRevoked = undefined
      thread.forwards.delete(id)
      for (const { session } of Object.values(ends)) if (session !== undefined) release(session, mode === 'encrypt' && report.ending.kind === 'completed', why)
      resolve(why ?? endingOf(report.ending))
    })
    thread.post({ op: 'forward', client: id, server: ends.server.id, mode })
    revocable.onRevoked = revocation => { end({ kind: 'revoked', revocation }, encodeReset(revocation.code, revocation.message)) }
    for (const by of ['client', 'server'] as const) {
      const { session } = ends[by]
      session?.channel.forward(frame => { hear(frame, session.of, abort => { end({ kind: 'aborted', by, abort }) }) })
    }
  })
}

/** A session of a connection that is over, `isThere` or gone with it. */
function release ({ of, channel }: NonNullable<Handle['session']>, isThere: boolean, why: Ending | undefined): void {
  if (!isThere) { channel.leave(); return }
  channel.rest()
  if (why === undefined) of.rest()
  else if (why.kind === 'revoked') void of.abort(why.revocation.code, why.revocation.message) // it was completed just before
  else void of.close()
}

/** A frame that came while forwarding. */
export function hear (frame: Frame, session: Session, abort: (why: Abort) => void): void {
  try {
    if (frame.type === FrameType.verdict) {
      const verdict = session.hear(decodeVerdict(frame.payload))
      if (!verdict.accepted) abort({ kind: 'refused', verdict })
    } else if (frame.type === FrameType.goingAway) {
      session.peerLeaves()
    } else if (frame.type === FrameType.certificate) {
      // Bytes flow on while we look: they were permitted by the certificate of before, which was as good until now.
      session.believe(decodeCertificate(frame.payload))
    }
  } catch (error) {
    abort({ kind: 'reset', detail: codeOf(error) ?? messageOf(error) })
  }
}

export function endingOf (ending: ThreadEnding): Ending {
  switch (ending.kind) {
    case 'completed': return { kind: 'completed' }
    case 'reset': return { kind: 'aborted', by: ending.by, abort: { kind: 'reset', detail: ending.detail } }
    case 'told': return { kind: 'aborted', by: ending.by, abort: told(ending.payload) }
    case 'refused': return { kind: 'aborted', by: 'server', abort: { kind: 'refused', verdict: decodeVerdict(ending.payload) } } // the thread has decoded it
    case 'undialled': return { kind: 'aborted', by: 'server', abort: { kind: 'reset', detail: nameOfErrno(-ending.errno) } }
    case 'aborted': return { kind: 'aborted', by: 'client', abort: { kind: 'reset', detail: 'aborted' } } // has a `why`
  }
}

function told (payload: Uint8Array): Abort {
  try {
    return { kind: 'told', ...decodeReset(payload) }
  } catch {
    return { kind: 'reset', detail: 'malformed reset' }
  }
}

/** Revoked before it began: not a byte moves. */
function refuse (client: End, server: End, revocation: Revocation): Ending {
  for (const end of [client, server]) {
    if (end instanceof NativeConnection) end.reset()
    else if ('channel' in end) void end.abort(revocation.code, revocation.message)
  }
  return { kind: 'revoked', revocation }
}

function take (end: End): void {
  if (end instanceof NativeConnection) end.take()
}

function handleOf (end: End): Handle {
  if (end instanceof NativeConnection) return { id: end.id, thread: end.thread, session: undefined }
  if ('channel' in end && end.channel instanceof NativeChannel) {
    const { channel } = end
    return { id: channel.id, thread: channel.thread, session: { of: end, channel } }
  }
  throw new TypeError('an end of another transport')
}
