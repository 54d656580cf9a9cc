/**
 * Recognising the node itself: probes of the kubelet, and other traffic of its processes, arrive without an agent.
 *
 * An address of the node is not enough: where a NodePort, a hostPort or a masquerade rewrites sources, strangers wear it
 * too. A socket in the node's own namespace with exactly these two ends cannot be made by NAT, and nobody outside has one.
 */

import { networkInterfaces } from 'node:os'
import { messageOf } from '../lib/error.ts'
import { parseIp } from '../model/address.ts'
import { Netns, SocketTable } from '../sys/index.ts'
import { nobodysNode } from './peering.ts'
import type { IpAddress } from '../model/address.ts'
import type { Log } from '../observe/index.ts'
import type { OwnNode } from './peering.ts'

/** `process`: a process of the node has opened it. `address`: it comes from an address of the node, whoever that is. */
export type OwnNodeProof = 'process' | 'address' | 'never'

/** Of the namespace in which this agent runs, which has to be the node's. */
export function openOwnNode (proof: OwnNodeProof, log: Log): OwnNode & Disposable {
  if (proof === 'never') return { ...nobodysNode, [Symbol.dispose]: () => {} }
  if (proof === 'address') return { isFromNode: client => isOfNode(client.ip), [Symbol.dispose]: () => {} }
  using here = Netns.openOwn()
  const table = new SocketTable(here)
  return {
    isFromNode (client, to) {
      try {
        return table.has(client, to)
      } catch (error) {
        log.error('the node\'s sockets cannot be asked for; its probes are treated as strangers', { error: messageOf(error) })
        return false
      }
    },
    [Symbol.dispose]: () => { table.close() },
  }
}

/** Addresses come and go with interfaces, so they are read each time; it takes a few microseconds. */
function isOfNode (ip: IpAddress): boolean {
  return Object.values(networkInterfaces()).flat().some(own => own !== undefined && parseIp(own.address)?.text === ip.text)
}
