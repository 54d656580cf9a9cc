/** Serving what the listeners of a captured workload accept. */

import { serveInbound, serveOutbound } from '../proxy/index.ts'
import type { PodCapture } from '../capture/index.ts'
import type { OriginalDestination } from '../model/address.ts'
import type { Log } from '../observe/index.ts'
import type { LocalPod, NodeParts } from '../proxy/index.ts'
import type { Connection, Listening } from '../relay/index.ts'
import type { Fd } from '../sys/index.ts'

/** Resolves when every connection that has come or comes is served. Rejects, with nothing left open, when one listener fails. */
export async function serveListeners (capture: PodCapture, pod: LocalPod, node: NodeParts, log: Log): Promise<readonly Listening[]> {
  const opened: Listening[] = []
  const open = async (fds: readonly Fd[], serve: (connection: Connection, to: OriginalDestination) => Promise<void>): Promise<void> => {
    for (const fd of fds) {
      opened.push(await node.transport.listen(fd, {
        serve: connection => {
          const to = capture.originalDestination(connection)
          // Dialled by the listener's own address: not captured, so there is no destination, and nobody to serve.
          if (to === undefined) connection.reset()
          else void serve(connection, to)
        },
        onError: error => { log.error('a connection could not be accepted', { error }) },
      }))
    }
  }
  try {
    await open(capture.listeners.inbound, (connection, to) => {
      const leave = capture.serving(connection.remote, to)
      return serveInbound(connection, pod, node).finally(leave)
    })
    await open(capture.listeners.outbound, connection => serveOutbound(connection, pod, node))
    return opened
  } catch (error) {
    for (const listening of opened) void listening.close()
    throw error
  }
}
