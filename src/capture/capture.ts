/**
 * Taking hold of a workload.
 *
 *     listen ─▶ routes ─▶ rules (from here all is judged or held)
 *
 * The kernel chooses the listeners' ports. A fixed port could be taken by the application, by chance or by design, and by
 * the agent of the node that ran before and still ends; the workload would then stand under guard for ever. The price: an
 * agent that comes writes the rules anew, which it does anyhow, in one transaction. The listeners are there before the
 * rules, so that no SYN falls between two agents; who dials one by its own address has no destination, and is refused.
 *
 * While captured connections live, their port numbers are in use in the namespace: an application that binds one of
 * them anew needs SO_REUSEADDR, as practically every server sets (without it bind says EADDRINUSE, as it would for the
 * application's own connections).
 *
 * Connections that exist when the first rules arrive are reset: nobody has judged them. Rules that replace those of
 * another agent leave its connections alone.
 */

import { socketAddress } from '../model/address.ts'
import { Netns, openListener, SocketTable } from '../sys/index.ts'
import { removeCapture, standingIn } from './apply.ts'
import { CaptureError } from './error.ts'
import { newId } from './holders.ts'
import { marks } from './marks.ts'
import { PodCapture } from './pod-capture.ts'
import type { IpFamily } from '../model/address.ts'
import type { Fd } from '../sys/index.ts'
import type { Exclusions } from './exclusions.ts'
import type { Listeners } from './pod-capture.ts'

export interface CaptureSpec {
  /** A name under /run/netns or an absolute path. */
  readonly netns: string
  /** The workload's name, for errors. */
  readonly name: string
  readonly exclude: Exclusions
}

/** Connections that may wait to be accepted; the kernel bounds it by net.core.somaxconn (4096 by default). */
export const backlog = 4096

/** Holds the workloads of this agent; knows each namespace by its inode, so none is held twice. */
export class Capture {
  /** Of this agent, among those of the node. */
  readonly #id = newId()
  readonly #names = new Map<bigint, string>()

  /**
   * Resolves when the listeners listen; nothing is captured before `arm`. Throws `CaptureError` and `SysError` (ENOENT
   * without the namespace).
   */
  async open ({ netns: path, name, exclude }: CaptureSpec): Promise<PodCapture> {
    using ends = new DisposableStack()
    const netns = ends.use(Netns.open(path))
    const { inode } = netns
    const holder = this.#names.get(inode)
    if (holder !== undefined) throw new CaptureError('already-armed', `${path} of ${name} is the namespace of ${holder}`)
    this.#names.set(inode, name)
    ends.defer(() => { this.#names.delete(inode) })
    const { standing, living: others } = await standingIn(netns)
    const families = familiesOf(netns)
    const listeners = openListeners(netns, families, ends)
    const handles = [...listeners.inbound, ...listeners.outbound].map(fd => ends.use(fd.duplicate()))
    const otherSockets = others.length === 0 ? undefined : ends.use(new SocketTable(netns))
    return new PodCapture({ netns, listeners, handles, families, exclude, id: this.#id, standing, others, otherSockets, ends: ends.move() })
  }
}

/**
 * Takes rules, routes and settings of a dead agent out of a namespace; does nothing where there are none. Not for
 * one that a living agent holds. Throws `CaptureError` and `SysError` (ENOENT without the namespace).
 */
export async function disarmNetns (nameOrPath: string): Promise<void> {
  using netns = Netns.open(nameOrPath)
  await removeCapture(netns)
}

/** IPv6 only where `lo` has it; where not, IPv6 packets find no listener and are held. */
function familiesOf (netns: Netns): readonly IpFamily[] {
  return netns.readSysctl('ipv6/conf/lo/disable_ipv6') === '0' ? [4, 6] : [4]
}

function openListeners (netns: Netns, families: readonly IpFamily[], ends: DisposableStack): Listeners {
  const open = (mark: number, saveSyn: boolean) => (family: IpFamily): Fd => {
    const address = socketAddress(family === 4 ? '127.0.0.1' : '::1', 0)
    return ends.use(openListener({ address, mark, saveSyn, transparent: true, backlog }))
  }
  return netns.run<Listeners>(() => ({
    inbound: families.map(open(marks.wire, true)),
    outbound: families.map(open(marks.pod, false)),
  }))
}
